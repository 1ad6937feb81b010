import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSimulator } from '#apps/x-simulator/simulator.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { openSpool } from '#libs/spool/spool.ts';
import { createXOAuth, requestedScope } from '#libs/x-api/oauth.ts';
import { startRedisServer } from '../../test/redis-server.ts';
import { createAccountStore } from './account-store.ts';
import { createTokenVault, type TokenVaultDeps } from './token-vault.ts';

/** What a process needs to open a vault on the rig: plain data, so that a child process can be given it. */
export interface VaultSettings {
  readonly redisUrl: string;
  readonly spoolDir: string;
  /** base64 */
  readonly key: string;
  readonly apiUrl: string;
  readonly nowOffsetMs: number;
}

/** A process's worth of vault. `change` may replace a part of what it is made of. */
export async function openVault(
  settings: VaultSettings,
  change: (deps: TokenVaultDeps) => Partial<TokenVaultDeps> = () => ({}),
) {
  const { apiUrl } = settings;
  const now = () => Date.now() + settings.nowOffsetMs;
  const sealer = createSealer([{ kid: 'k', key: Buffer.from(settings.key, 'base64') }]);
  const redis = await connectRedis(settings.redisUrl, 'fail-fast');
  const spool = await openSpool(settings.spoolDir, sealer);
  const oauth = createXOAuth({
    apiUrl,
    authorizeUrl: `${apiUrl}/i/oauth2/authorize`,
    clientId: 'client',
    clientSecret: 'canary-secret',
    redirectUri: 'http://127.0.0.1/callback',
    timeoutMs: 3000,
    now,
  });
  const accounts = createAccountStore({ redis, sealer, now });
  const deps: TokenVaultDeps = { accounts, oauth, spool, redis, now, othersStoreWithinMs: 500 };
  const vault = createTokenVault({ ...deps, ...change(deps) });
  return {
    ...deps,
    vault,
    async [Symbol.asyncDispose]() {
      await vault[Symbol.asyncDispose]();
      await spool[Symbol.asyncDispose]();
      redis.disconnect();
    },
  };
}

/** A Redis, a simulated X and a folder for the spool. `offsetMs` moves the time of all of them. */
export async function startRig() {
  const server = await startRedisServer();
  const redis = await connectRedis(server.url, 'fail-fast');
  let offsetMs = 0;
  const simulator = await startSimulator({ now: () => Date.now() + offsetMs });
  const spoolDir = await mkdtemp(join(tmpdir(), 'vault-spool-'));
  const key = randomBytes(32).toString('base64');
  const settings = (): VaultSettings => ({
    redisUrl: server.url,
    spoolDir,
    key,
    apiUrl: simulator.url,
    nowOffsetMs: offsetMs,
  });
  const user = simulator.state.findUser('sandbox_ada');
  if (!user) throw new Error('The simulator has no user sandbox_ada');
  return {
    server,
    simulator,
    spoolDir,
    settings,
    accountId: user.id,
    /** Lets everybody's clock jump ahead; vaults opened before stay behind. */
    skip: (ms: number) => {
      offsetMs += ms;
    },
    /** Nothing that happened so far has happened. */
    async reset() {
      offsetMs = 0;
      await simulator.reset();
      await redis.flushall();
      await rm(spoolDir, { recursive: true, force: true });
    },
    /** As after a sign-in at X. Returns the tokens. */
    async connect() {
      const issued = simulator.state.grants.issue({
        userId: user.id,
        clientId: 'client',
        scope: [...requestedScope],
      });
      const tokenSet = {
        accessToken: issued.access_token,
        refreshToken: issued.refresh_token ?? null,
        expiresAt: Date.now() + offsetMs + issued.expires_in * 1000,
        scope: issued.scope.split(' '),
      };
      await using opened = await openVault(settings());
      await opened.accounts.connect({ ...user, subscriptionType: null }, tokenSet);
      return tokenSet;
    },
    /** The refresh tokens that were presented so far, in order. */
    presented: () =>
      simulator.state.requests.all
        .filter((request) => request.bodyText?.includes('grant_type=refresh_token'))
        .map((request) => new URLSearchParams(request.bodyText ?? '').get('refresh_token')),
    worksAtX: (accessToken: string) => simulator.state.grants.findAccess(accessToken) !== null,
    async [Symbol.asyncDispose]() {
      redis.disconnect();
      await simulator[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await rm(spoolDir, { recursive: true, force: true });
    },
  };
}
