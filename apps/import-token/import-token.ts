import { join } from 'node:path';
import type { Account } from '#libs/accounts/account-store.ts';
import { createAccountStore } from '#libs/accounts/account-store.ts';
import { type ForeignTokens, type ImportError, importAccount } from '#libs/accounts/import-account.ts';
import type { Deployment } from '#libs/deployment/find-deployment.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { openSpool } from '#libs/spool/spool.ts';
import { createXApi } from '#libs/x-api/client.ts';
import { createXOAuth } from '#libs/x-api/oauth.ts';

/** Seals tokens that X gave to another program into the vault of a deployment. @throws ImportError */
export async function importToken(deployment: Deployment, tokens: ForeignTokens): Promise<Account> {
  const { x: settings, redisUrl, secrets, dataDir, allowedXUsers } = deployment;
  await using redis = await connectRedis(redisUrl, 'fail-fast', { timeoutMs: 5000 });
  const sealer = createSealer(secrets.tokenKeys);
  await using spool = await openSpool(join(dataDir, 'spool'), sealer);
  await using x = createXApi({ apiUrl: settings.apiUrl });
  return await importAccount(
    {
      accounts: createAccountStore({ redis, sealer }),
      oauth: createXOAuth({ ...settings, redirectUri: settings.redirectUri ?? '' }),
      whoIs: (token) => x.me({ token }),
      spool,
      redis,
      allowedXUsers,
    },
    tokens,
  );
}

/** What an import that did not come about means for whoever ran it. */
export function explain(error: ImportError, sandbox: boolean): string {
  const unset = sandbox
    ? ' CLIENT_ID and CLIENT_SECRET are not set: set them to those of the X app that the file was made with.'
    : '';
  const { cause, username } = error;
  const said = cause instanceof Error && cause.message ? ` (${cause.message.split('\n')[0]})` : '';
  switch (error.reason) {
    case 'spent':
      return `X does not take the refresh token in this file: it was used before, has expired, was revoked, or belongs to another X app.${unset} Connect the account at /startAuth instead.`;
    case 'refused':
      return `X refused the request${said}. Are CLIENT_ID and CLIENT_SECRET those of the X app that the file was made with?${unset} The file is as good as before.`;
    case 'untouched':
      return `X could not be reached${said}. The file is as good as before: try again.`;
    case 'unknown':
      return `X did not give a clear answer${said}. Try again; should X refuse then, connect the account at /startAuth.`;
    case 'kept':
      return `The tokens were renewed and lie sealed in DATA_DIR, but the account could not be stored yet${said}. Run the same command again: it goes on from there.`;
    case 'not_allowed':
      return `@${username} is not among ALLOWED_X_USERS. Nothing was stored; the tokens were revoked at X.`;
    case 'busy':
      return 'Another import of this file is going on, or ended without a word less than a minute ago. Try again in a minute.';
  }
}
