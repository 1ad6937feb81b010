import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import Koa from 'koa';
import { startSimulator } from '#apps/x-simulator/simulator.ts';
import { createAccountStore } from '#libs/accounts/account-store.ts';
import { createMediaFetcher } from '#libs/media/fetch-media.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { createXApi } from '#libs/x-api/client.ts';
import { createXOAuth } from '#libs/x-api/oauth.ts';
import { startRedisServer } from '../../../test/redis-server.ts';
import { createSessions } from '../session.ts';
import { createSignIn, type SignInOptions } from './sign-in.ts';

/** A GPT as an operator registers it, with ChatGPT's two hosts. */
export const gpt = {
  clientId: 'gpt-client',
  clientSecret: 'a long secret: with / & + characters',
  redirectUris: [
    'https://chat.openai.com/aip/g-0123456789abcdef/oauth/callback',
    'https://chatgpt.com/aip/g-0123456789abcdef/oauth/callback',
  ] as const,
};

export const ada = { id: '1450000000000000001', username: 'sandbox_ada', name: 'Ada Sandbox' };
export const ben = { id: '1450000000000000002', username: 'sandbox_ben', name: 'Ben Sandbox' };

export const everyScope = 'tweet.read tweet.write users.read media.write offline.access';

interface LogLine {
  readonly level: string;
  readonly fields: Record<string, unknown>;
  readonly message: string;
}

/** Sign-in behind a server of its own, with a real Redis and X's simulator. `publicUrl` may differ from `origin`; its port may be 0. */
export type World = Awaited<ReturnType<typeof startWorld>>;

export async function startWorld(overrides: Partial<SignInOptions> = {}) {
  const stack = new AsyncDisposableStack();
  const redisServer = stack.use(await startRedisServer());
  const redis = stack.use(await connectRedis(redisServer.url, 'fail-fast'));
  const simulator = stack.use(await startSimulator());
  const { server, origin } = await listen();
  stack.defer(async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  });
  const publicUrl = overrides.publicUrl?.replace(/:0$/, `:${new URL(origin).port}`) ?? origin;
  const redirectUri = overrides.redirectUri ?? `${publicUrl}/callback`;
  const sealer = createSealer([{ kid: 'k1', key: randomBytes(32) }]);
  const accounts = createAccountStore({ redis, sealer });
  const log: LogLine[] = [];
  const noteAs = (level: string) => (fields: Record<string, unknown>, message: string) =>
    void log.push({ level, fields, message });
  const signIn = await createSignIn({
    gpt: { ...gpt, redirectUris: [...gpt.redirectUris] },
    allowedXUsers: [],
    secretKey: 'a secret key of forty characters, or more',
    redis,
    sealer,
    sessions: createSessions({ redis, publicUrl, secretKey: 'a secret key of forty characters, or more' }),
    accounts,
    x: stack.use(createXApi({ apiUrl: simulator.url })),
    oauth: createXOAuth({
      apiUrl: simulator.url,
      authorizeUrl: `${simulator.url}/i/oauth2/authorize`,
      clientId: 'x-client',
      clientSecret: 'x-secret',
      redirectUri,
    }),
    log: { debug: noteAs('debug'), info: noteAs('info'), warn: noteAs('warn'), error: noteAs('error') },
    mcp: { dynamicRegistration: false },
    fetchDocument: stack.use(createMediaFetcher({ trustedHosts: [] })).fetchDocument,
    ...overrides,
    publicUrl,
    redirectUri,
  });
  const app = new Koa();
  app.use(answerProblems).use(signIn.routes);
  server.on('request', app.callback());
  return {
    publicUrl,
    origin,
    signIn,
    accounts,
    redis,
    redisServer,
    simulator,
    log,
    /** Where an absolute URL of ours is really served. */
    local: (url: string) => url.replace(publicUrl, origin),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function listen() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port');
  return { server, origin: `http://127.0.0.1:${address.port}` };
}

const answerProblems: Koa.Middleware = async (ctx, next) => {
  try {
    await next();
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    ctx.status = error.kind.status;
    ctx.set({ ...error.headers });
    ctx.body = { code: error.code, detail: error.detail };
  }
};
