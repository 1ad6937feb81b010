import type { Redis } from 'ioredis';
import { type Adapter, type AdapterFactory, type AdapterPayload, errors } from 'oidc-provider';
import { createGrants, type Grants, refreshTokenSeconds } from './grants.ts';
import { createOidcRecords, type FoundToken, nowSeconds, type OidcRecords } from './oidc-records.ts';
import { reach } from './reach.ts';
import { plainResource } from './scope.ts';

/** Storage of the authorization server, and the few questions that are put to it directly. */
export interface OidcStore {
  readonly adapter: AdapterFactory;
  /** What an access token stands for, or null when it is unknown, expired or revoked. One read. */
  findAccessToken(token: string): Promise<FoundToken | null>;
  /** Gives a refresh token and its grant another full life. */
  extendRefreshToken(token: string): Promise<void>;
  isGrantAlive(grantId: string): Promise<boolean>;
  /** Ends every grant of the account, and with them every token and code that came of them. */
  revokeAccount(accountId: string): Promise<void>;
}

/**
 * oidc-provider's storage in Redis. Tokens and codes are found by their SHA-256 and never stored themselves.
 * Everything hangs on its grant: a token whose grant is gone is dead, so one deletion ends a whole family at once,
 * even a member that is being issued at this moment.
 */
export function createOidcStore(redis: Redis): OidcStore {
  const records = createOidcRecords(redis);
  const grants = createGrants(redis);
  return {
    adapter: (kind) => createAdapter(kind, records, grants),
    findAccessToken: (token) =>
      reach(async () => {
        const found = await records.lookUpToken(token);
        const { grantId, exp = 0 } = found?.payload ?? {};
        if (!found || grantId === undefined || exp <= nowSeconds()) return null;
        return (found.alive ?? (await grants.exists(grantId))) ? found : null;
      }),
    extendRefreshToken: (token) =>
      reach(async () => {
        const payload = await records.read('RefreshToken', token);
        if (payload?.grantId === undefined || payload.accountId === undefined) return;
        await records.extend('RefreshToken', token, nowSeconds() + refreshTokenSeconds);
        await grants.keep(payload.grantId, payload.accountId);
        if (payload.clientId !== undefined)
          await records.keep('Client', payload.clientId, refreshTokenSeconds);
      }),
    isGrantAlive: (grantId) => reach(() => grants.exists(grantId)),
    revokeAccount: (accountId) => reach(() => grants.endAllOf(accountId)),
  };
}

/** A client that registered itself and never signed anybody in is forgotten after this. */
const newClientSeconds = 86_400;

/** Seconds, where oidc-provider would keep a record for ever or longer than anything that came of it. */
function lifetimeOf(kind: string): number | undefined {
  return { Grant: refreshTokenSeconds, Client: newClientSeconds }[kind];
}

/** Grants, codes and refresh tokens of earlier versions name resources as they were asked for, also with a slash. */
function withPlainResources(payload: AdapterPayload | undefined): AdapterPayload | undefined {
  if (payload === undefined) return undefined;
  const plain: AdapterPayload & { resources?: Record<string, string> } = { ...payload };
  const { resource, resources } = plain;
  if (resource !== undefined)
    plain.resource = Array.isArray(resource) ? resource.map(plainResource) : plainResource(resource);
  if (resources !== undefined)
    plain.resources = Object.fromEntries(
      Object.entries(resources).map(([name, scope]) => [plainResource(name), scope]),
    );
  return plain;
}

function createAdapter(kind: string, records: OidcRecords, grants: Grants): Adapter {
  return {
    upsert: (id, payload, expiresIn) =>
      reach(async () => {
        await records.write(kind, id, payload, lifetimeOf(kind) ?? expiresIn);
        const { accountId, grantId, clientId } = payload;
        if (kind === 'RefreshToken' && clientId !== undefined)
          await records.keep('Client', clientId, refreshTokenSeconds);
        if (accountId === undefined) return;
        if (kind === 'Grant') await grants.add(id, accountId);
        if (kind === 'RefreshToken' && grantId !== undefined) await grants.keep(grantId, accountId);
      }),
    find: (id) => reach(async () => withPlainResources(await records.read(kind, id))),
    // Only for clients' sessions and device codes, neither of which exists here.
    findByUid: async () => undefined,
    findByUserCode: async () => undefined,
    consume: (id) =>
      reach(async () => {
        const uses = await records.consume(kind, id);
        if (kind !== 'AuthorizationCode' || uses === 1) return;
        // Two requests with one code at the same moment: whoever comes second ends what the first one got.
        const code = await records.read(kind, id);
        if (code?.grantId !== undefined) await grants.end(code.grantId);
        throw new errors.InvalidGrant('authorization code already consumed');
      }),
    destroy: (id) => reach(() => records.remove(kind, id)),
    revokeByGrantId: (grantId) => reach(() => grants.end(grantId)),
  };
}
