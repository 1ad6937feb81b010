import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createAccountStore } from '#libs/accounts/account-store.ts';
import { keepReplaying } from '#libs/accounts/keep-replaying.ts';
import { createTokenVault } from '#libs/accounts/token-vault.ts';
import type { Config } from '#libs/config/config.ts';
import { announceKeys } from '#libs/deployment/key-holders.ts';
import { createCounts } from '#libs/insight/counts.ts';
import { startTracing } from '#libs/insight/tracing.ts';
import { watchRefreshes, watchXCalls } from '#libs/insight/watch-x.ts';
import { createJobCalls } from '#libs/jobs/job-calls.ts';
import { followJobChanges } from '#libs/jobs/job-changes.ts';
import { createJobStore } from '#libs/jobs/job-store.ts';
import { createSpend } from '#libs/jobs/spend.ts';
import { createUploadStore } from '#libs/jobs/upload-store.ts';
import { createWakeUps } from '#libs/jobs/wake-up.ts';
import type { Log } from '#libs/log/log.ts';
import { createMediaFetcher } from '#libs/media/fetch-media.ts';
import { createMediaStore } from '#libs/media/media-store.ts';
import { parseMediaUrl, readHosts } from '#libs/media/media-url.ts';
import { createGate } from '#libs/publish/gate.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { openSpool } from '#libs/spool/spool.ts';
import { createXApi } from '#libs/x-api/client.ts';
import { usualPrices } from '#libs/x-api/limits.ts';
import { createXOAuth } from '#libs/x-api/oauth.ts';
import { createAccountAnswers } from './account.ts';
import { createApp } from './app.ts';
import { answerBrokenRequests } from './broken-request.ts';
import { holdRequests } from './hold-requests.ts';
import { createJobAnswers } from './jobs.ts';
import { createMediaUploads } from './media.ts';
import { createOperation } from './operate.ts';
import { createReadiness } from './readiness.ts';
import { createSessions } from './session.ts';
import { createSignIn } from './sign-in/sign-in.ts';
import { createThrottle, limitsFor } from './throttle.ts';

export interface RunningApi extends AsyncDisposable {
  /** Where it listens. */
  readonly url: string;
  /** Why no post could be accepted when it started, one sentence each. */
  readonly problems: readonly string[];
}

/** Starts the API: answers when everything that it needs is there; disposing of it answers who waits, then closes. */
export async function startApi(config: Config, log: Log): Promise<RunningApi> {
  const { redisUrl, secrets } = config;
  if (!redisUrl || !secrets.secretKey) throw new TypeError('the API needs a Redis and a secret key');
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await connectRedis(redisUrl, 'fail-fast'));
  const subscriber = stack.use(await connectRedis(redisUrl, 'wait'));
  const server = stack.adopt(createHttpServer(), (open) => open.closeAllConnections());
  const answerWith = holdRequests(server);
  await listen(server, config.http);
  const { port } = server.address() as AddressInfo;
  const publicUrl = config.http.publicUrl ?? `http://localhost:${port}`;
  const stopping = new AbortController();

  const sealer = createSealer(secrets.tokenKeys);
  stack.use(await announceKeys(redis, secrets.tokenKeys));
  const accounts = createAccountStore({ redis, sealer });
  const counts = stack.use(createCounts({ redis }));
  const tracing = stack.use(
    await startTracing(config.operate.tracing, {
      service: 'post-to-x-api',
      onFailure: (error) => log.warn({ err: error }, 'Traces are not taken, and are lost meanwhile'),
    }),
  );
  const watch = { counts, tracing };
  const x = stack.use(createXApi({ apiUrl: config.x.apiUrl, observe: watchXCalls(watch) }));
  const redirectUri = config.x.redirectUri ?? `${publicUrl}/callback`;
  const oauth = watchRefreshes(createXOAuth({ ...config.x, redirectUri }), watch);
  const spool = stack.use(await openSpool(join(config.dataDir, 'spool'), sealer));
  const wakeUps = stack.use(createWakeUps({ redis }));
  const jobs = createJobStore({
    redis,
    sealer,
    here: tracing.here,
    onTurn: (...next) => void wakeUps.turn(...next).catch(() => {}),
  });
  const uploads = createUploadStore({ redis });
  const spend = createSpend({ redis, budgets: config.spend });
  const prices = { ...usualPrices, ...config.spend.prices };
  const readiness = createReadiness({ redis, stopping: stopping.signal });
  const changes = await followJobChanges({ subscriber, jobs, stopping: stopping.signal });
  const sessions = createSessions({ redis, publicUrl, secretKey: secrets.secretKey });
  // Never from trusted hosts: whoever signs in names these addresses.
  const documents = stack.use(createMediaFetcher({ trustedHosts: [], ownHosts: [new URL(publicUrl).host] }));
  const signIn = await createSignIn({
    publicUrl,
    redirectUri,
    gpt: config.gpt,
    allowedXUsers: config.allowedXUsers,
    secretKey: secrets.secretKey,
    redis,
    accounts,
    x,
    oauth,
    sealer,
    sessions,
    mcp: config.doors.mcp ? config.mcp : null,
    fetchDocument: documents.fetchDocument,
    log,
  });
  const vault = stack.use(createTokenVault({ accounts, oauth, spool, redis }));
  stack.use(
    await keepReplaying({
      vault,
      redis,
      onFailure: (err) => log.warn({ err }, 'Tokens in the spool cannot be stored yet'),
    }),
  );
  const mediaHosts = {
    trustedHosts: readHosts(config.mediaTrustedHosts),
    ownHosts: readHosts([new URL(publicUrl).host]),
  };
  const throttle = createThrottle(limitsFor(config.accountLimits.requestsPerMinute));
  const mediaStore = createMediaStore({ dataDir: config.dataDir, maxBytes: config.mediaDiskBytes });
  const app = createApp({
    publicUrl,
    log,
    signIn,
    readiness,
    counts,
    tracing,
    operation: await createOperation(config.operate, {
      redis,
      wakeUps,
      spend,
      readiness,
      publicUrl,
      throttle,
    }),
    throttle,
    trustedProxies: config.http.trustedProxies,
    doors: config.doors,
    stopping: stopping.signal,
    posting: {
      jobs,
      accounts,
      uploads,
      wakeUps,
      spend,
      prices,
      maxOpenJobs: config.accountLimits.openJobs,
      isMediaUrl: (url) => parseMediaUrl(url, mediaHosts) !== null,
      ensureDurable: readiness.ensureDurable,
    },
    jobs: createJobAnswers({ jobs, changes, wakeUps, publicUrl, stopping: stopping.signal }),
    accounts: createAccountAnswers({
      accounts,
      vault,
      jobs,
      wakeUps,
      signIn,
      oauth,
      x,
      gate: createGate({ redis }),
      log,
      spend,
      prices,
      maxOpenJobs: config.accountLimits.openJobs,
    }),
    media: createMediaUploads({ uploads, mediaStore }),
    pages: {
      sessions,
      accountStore: accounts,
      history: jobs.history,
      calls: stack.use(createJobCalls({ redis })).read,
      operator: config.operator,
      simulatorUrl: config.x.sandbox ? new URL(config.x.authorizeUrl).origin : null,
    },
  });
  answerBrokenRequests(server, publicUrl);
  answerWith(app.callback());
  const problems = await readiness.problems();
  for (const problem of problems) log.warn({}, `No post can be accepted: ${problem}`);
  // Disposed of in reverse: waits are answered first, then connections end, then what they needed.
  stack.defer(() => closeServer(server));
  stack.defer(() => stopping.abort());
  const running = stack.move();
  return {
    url: `http://${hostOf(config.http.host)}:${port}`,
    problems,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function createHttpServer(): Server {
  const server = createServer({
    maxHeaderSize: 16_384,
    // The app looks itself: its refusals have a body and the headers of all others.
    requireHostHeader: false,
    // How often the time for headers is looked at: by default it ends up to 30 seconds late.
    connectionsCheckingInterval: 2000,
    rejectNonStandardBodyWrites: true,
  });
  server.headersTimeout = 10_000;
  // An upload may take long; every other body is small and has its own limit. Idle sockets end by `timeout`.
  server.requestTimeout = 0;
  server.timeout = 60_000;
  server.keepAliveTimeout = 65_000;
  server.maxConnections = 10_000;
  return server;
}

function listen(server: Server, { host, port }: Config['http']): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason =
        error.code === 'EADDRINUSE'
          ? `Port ${port} is taken by another program. Stop that one, or choose another port: PORT=${port + 1}`
          : `Cannot listen on ${host}:${port} (${error.message}).`;
      reject(new Error(reason, { cause: error }));
    });
    server.listen(port, host, () => resolve());
  });
}

/** No new connections; those in use end with their answer. */
async function closeServer(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeIdleConnections();
  const impatient = setTimeout(() => server.closeAllConnections(), 5000);
  await closed;
  clearTimeout(impatient);
}

const hostOf = (host: string): string =>
  host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
