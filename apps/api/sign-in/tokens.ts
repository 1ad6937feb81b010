import type { Provider } from 'oidc-provider';
import { type Account, type AccountStore, accountFields } from '#libs/accounts/account-store.ts';
import { accountKey } from '#libs/accounts/token-store.ts';
import type { Standing } from '#libs/jobs/accept-job.ts';
import type { Audiences } from './authorization-server.ts';
import { ownClientId, ownRedirectUri } from './clients.ts';
import { nowSeconds, recordKey } from './oidc-records.ts';
import type { OidcStore } from './oidc-store.ts';
import { grantedScope } from './scope.ts';

/** Who calls: an account, through a client. */
export interface Caller {
  readonly accountId: string;
  readonly clientId: string;
  readonly scope: readonly string[];
  readonly audience: 'rest' | 'mcp';
  /** The account as it was when the token was looked up, null: it is gone; undefined where nobody has looked. */
  readonly account?: Account | null | undefined;
  /** Of a caller that was recognised before and not looked up now: it is none any more unless all this is still so. */
  readonly standing?: Standing;
}

interface OurTokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** End of the access token, epoch ms. */
  readonly expiresAt: number;
  readonly expiresInSeconds: number;
}

interface GrantRequest {
  readonly accountId: string;
  readonly clientId: string;
  /** What the client asked for. */
  readonly planned: readonly string[];
  /** What X granted. */
  readonly grantedByX: readonly string[];
  readonly resources: readonly string[];
}

/** Our own tokens: handed out to whoever signed in, and recognised again. */
export interface TokenDesk {
  /** Records what a client may do for an account; resolves to the grant's id. */
  grant(request: GrantRequest): Promise<string>;
  /** Tokens for a sign-in that no OAuth client began. */
  mint(accountId: string, scope: readonly string[]): Promise<OurTokens>;
  /** A code that `POST /oauth/token` exchanges for such tokens, once and within five minutes. */
  oneTimeCode(accountId: string, scope: readonly string[]): Promise<string>;
  /** null for whatever is not a valid access token of this server. */
  findCaller(accessToken: string): Promise<Caller | null>;
  /** Who that was when this process last looked, with its `standing`; null where it has not, or the token has ended. */
  recallCaller(accessToken: string): Caller | null;
}

const mostRecognised = 1000;

export function createTokenDesk({
  provider,
  store,
  accounts,
  audiences,
  publicUrl,
}: {
  readonly provider: Provider;
  readonly store: OidcStore;
  readonly accounts: Pick<AccountStore, 'toAccount'>;
  readonly audiences: Audiences;
  readonly publicUrl: string;
}): TokenDesk {
  /** By the key of the token's record, which does not give the token away. */
  const recognised = new Map<string, { readonly caller: Caller; readonly expiresAt: number }>();

  const grant = async ({ accountId, clientId, planned, grantedByX, resources }: GrantRequest) => {
    const record = new provider.Grant({ accountId, clientId });
    const left = grantedScope(planned, grantedByX);
    const granted = left.join(' ');
    const refused = planned.filter((scope) => !left.includes(scope)).join(' ');
    // As scopes of the server and of each resource: oidc-provider looks at both, and asks again for what it misses.
    if (granted) record.addOIDCScope(granted);
    if (refused) record.rejectOIDCScope(refused);
    for (const resource of resources) {
      if (granted) record.addResourceScope(resource, granted);
      if (refused) record.rejectResourceScope(resource, refused);
    }
    return record.save();
  };

  /** What tokens and codes of the own client have in common. */
  const ownGrant = async (accountId: string, scope: readonly string[]) => {
    const client = await provider.Client.find(ownClientId);
    if (!client) throw new Error('The own client is not registered');
    const resources = [audiences.rest];
    const request = { accountId, clientId: ownClientId, planned: scope, grantedByX: scope, resources };
    return {
      client,
      accountId,
      grantId: await grant(request),
      gty: 'authorization_code',
      scope: scope.join(' '),
    };
  };

  return {
    grant,
    async mint(accountId, scope) {
      const common = await ownGrant(accountId, scope);
      const access = new provider.AccessToken({ ...common, aud: audiences.rest });
      const refresh = new provider.RefreshToken({ ...common, resource: audiences.rest, rotations: 0 });
      const [accessToken, refreshToken] = await Promise.all([access.save(), refresh.save()]);
      const expiresInSeconds = access.remainingTTL;
      return { accessToken, refreshToken, expiresInSeconds, expiresAt: Date.now() + expiresInSeconds * 1000 };
    },
    async oneTimeCode(accountId, scope) {
      const common = await ownGrant(accountId, scope);
      const redirectUri = ownRedirectUri(publicUrl);
      return new provider.AuthorizationCode({ ...common, redirectUri, resource: audiences.rest }).save();
    },
    recallCaller(accessToken) {
      const known = recognised.get(recordKey('AccessToken', accessToken));
      return known && known.expiresAt > nowSeconds() ? known.caller : null;
    },
    async findCaller(accessToken) {
      const key = recordKey('AccessToken', accessToken);
      recognised.delete(key);
      const found = await store.findAccessToken(accessToken);
      const { payload } = found ?? {};
      if (!payload?.accountId || !payload.clientId) return null;
      const audience =
        payload.aud === audiences.rest
          ? 'rest'
          : audiences.mcp !== null && payload.aud === audiences.mcp
            ? 'mcp'
            : null;
      if (audience === null) return null;
      const scope = (payload.scope ?? '').split(' ').filter(Boolean);
      const { accountId, clientId } = payload;
      const account = found?.account && accounts.toAccount(accountId, found.account);
      const caller: Caller = { accountId, clientId, scope, audience, account };
      if (found?.account && payload.grantId !== undefined) {
        const keys = [key, recordKey('Grant', payload.grantId)];
        const hash = { key: accountKey(accountId), names: accountFields, values: found.account };
        if (recognised.size >= mostRecognised) recognised.clear();
        recognised.set(key, {
          caller: { ...caller, standing: { keys, hash } },
          expiresAt: payload.exp ?? 0,
        });
      }
      return caller;
    },
  };
}
