import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import Koa from 'koa';
import { z } from 'zod';
import { startSimulator } from '#apps/x-simulator/simulator.ts';
import { createAccountStore } from '#libs/accounts/account-store.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { createXApi } from '#libs/x-api/client.ts';
import { createXOAuth } from '#libs/x-api/oauth.ts';
import { startRedisServer } from '../../../test/redis-server.ts';
import { createSignIn, type SignInOptions } from './sign-in.ts';
import { fieldOf, locationOf, TestBrowser } from './test-browser.ts';

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

/** Sign-in behind a server of its own, with a real Redis and X's simulator. `publicUrl` may differ from `origin`. */
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
  const publicUrl = overrides.publicUrl ?? origin;
  const redirectUri = overrides.redirectUri ?? `${publicUrl}/callback`;
  const sealer = createSealer([{ kid: 'k1', key: randomBytes(32) }]);
  const log: LogLine[] = [];
  const noteAs = (level: string) => (fields: Record<string, unknown>, message: string) =>
    void log.push({ level, fields, message });
  const signIn = await createSignIn({
    publicUrl,
    redirectUri,
    gpt: { ...gpt, redirectUris: [...gpt.redirectUris] },
    allowedXUsers: [],
    secretKey: 'a secret key of forty characters, or more',
    redis,
    sealer,
    accounts: createAccountStore({ redis, sealer }),
    x: stack.use(createXApi({ apiUrl: simulator.url })),
    oauth: createXOAuth({
      apiUrl: simulator.url,
      authorizeUrl: `${simulator.url}/i/oauth2/authorize`,
      clientId: 'x-client',
      clientSecret: 'x-secret',
      redirectUri,
    }),
    log: { debug: noteAs('debug'), info: noteAs('info'), warn: noteAs('warn'), error: noteAs('error') },
    ...overrides,
  });
  const app = new Koa();
  app.use(answerProblems).use(signIn.routes);
  server.on('request', app.callback());
  return {
    publicUrl,
    origin,
    signIn,
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

/** The user decides on X's page; resolves to the address that X then sends the browser to. */
export async function decideAtX(
  authorizationUrl: string,
  { user = ada.username, decision = 'allow' }: { user?: string; decision?: 'allow' | 'deny' } = {},
): Promise<string> {
  const url = new URL(authorizationUrl);
  const fields = new URLSearchParams(url.search);
  fields.set('username', user);
  fields.set('decision', decision);
  const response = await fetch(url.origin + url.pathname, {
    method: 'POST',
    body: fields,
    redirect: 'manual',
  });
  return locationOf(response);
}

/** An authorization request of the GPT, as ChatGPT makes it. */
export function gptRequest(world: World, changes: Record<string, string | undefined> = {}): string {
  const parameters = {
    response_type: 'code',
    client_id: gpt.clientId,
    redirect_uri: gpt.redirectUris[0],
    state: 'opaque-state',
    ...changes,
  };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, value);
  return `${world.origin}/oauth/authorize?${query}`;
}

/** Goes through our consent page and X, to the redirect that the client receives. */
export async function signInThrough(
  world: World,
  request: string,
  { browser = new TestBrowser(), user = ada.username }: { browser?: TestBrowser; user?: string } = {},
): Promise<URL> {
  const consentUrl = world.local(locationOf(await browser.get(request)));
  const page = await (await browser.get(consentUrl)).text();
  const fields = { csrf_token: fieldOf(page, 'csrf_token'), decision: 'approve' };
  const atX = locationOf(await browser.post(consentUrl, fields));
  const resume = locationOf(await browser.get(world.local(await decideAtX(atX, { user }))));
  return new URL(locationOf(await browser.get(world.local(resume))));
}

const Begun = z.strictObject({ authorization_url: z.url(), state: z.string() });

/** The contract's answer of `/callback`. */
const Connected = z.strictObject({
  message: z.literal('Authentication successful!'),
  access_token: z.string(),
  token_type: z.literal('Bearer'),
  refresh_token: z.string(),
  expires_at: z.iso.datetime(),
  expires_in: z.number(),
  scope: z.string(),
  account: z.strictObject({ id: z.string(), username: z.string(), name: z.string() }),
});

/** A sign-in of a program: `/startAuth`, X, `/callback`. */
export async function signInDirectly(world: World, user = ada.username) {
  const program = new TestBrowser('*/*');
  const begun = Begun.parse(await (await program.get(`${world.origin}/startAuth`)).json());
  const callback = await decideAtX(begun.authorization_url, { user });
  return Connected.parse(await (await program.get(world.local(callback))).json());
}

/** A token request as a form, or as JSON when `json` is given. */
export async function requestToken(
  world: World,
  sent: { form?: Record<string, string>; json?: unknown; path?: string; headers?: Record<string, string> },
) {
  const { form, json, path = '/oauth/token', headers = {} } = sent;
  const body = form ? new URLSearchParams(form) : JSON.stringify(json);
  const type = form ? 'application/x-www-form-urlencoded' : 'application/json';
  const response = await fetch(world.origin + path, {
    method: 'POST',
    headers: { 'content-type': type, ...headers },
    body,
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
}

/** The code that came back to the GPT, exchanged as ChatGPT does by default. */
export function exchangeAsGpt(world: World, back: URL, changes: Record<string, string> = {}) {
  return requestToken(world, {
    form: {
      grant_type: 'authorization_code',
      client_id: gpt.clientId,
      client_secret: gpt.clientSecret,
      code: back.searchParams.get('code') ?? '',
      redirect_uri: gpt.redirectUris[0],
      ...changes,
    },
  });
}
