import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Koa from 'koa';
import { createAuthorizeEndpoints } from './authorize.ts';
import { createControl } from './control.ts';
import { serveX } from './exchange.ts';
import { Faults } from './faults.ts';
import type { TokenAnswer } from './grants.ts';
import { createMediaEndpoints } from './media.ts';
import { createOAuthEndpoints } from './oauth.ts';
import { createPages } from './pages.ts';
import type { SimulatorOptions } from './settings.ts';
import { State } from './state.ts';
import { createTimelineEndpoints } from './timeline.ts';
import { createTweetEndpoints } from './tweets.ts';
import { createUserEndpoints } from './users.ts';
import { isDisconnect } from './wait.ts';

const allScopes = ['tweet.read', 'tweet.write', 'users.read', 'media.write', 'offline.access'];

/** A simulated X that listens. */
export interface Simulator extends AsyncDisposable {
  /** Origin of the API, the authorize page and the timeline page; no trailing slash. */
  readonly url: string;
  readonly state: State;
  readonly faults: Faults;
  /**
   * Does what a person does on the authorize page: `url` is the one the client sends people to; the answer is where
   * the browser is sent back to. Throws where X shows its error page instead.
   */
  authorize(url: string, choice?: { user?: string; decision?: 'allow' | 'deny' }): Promise<URL>;
  /** Tokens of a user, by id or username (without: the first there is), without any of that. */
  signIn(user?: string, grant?: { clientId?: string; scope?: readonly string[] }): TokenAnswer;
  /** Back to how it was started: no posts, uploads, tokens, faults or log. */
  reset(): Promise<void>;
}

/** Starts a simulated X on a free port of 127.0.0.1, unless `options` say otherwise. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const state = new State(options);
  await state.open();
  const faults = new Faults();
  const reset = async () => {
    faults.clear();
    await state.reset();
  };
  const server = createServer(createApp(state, faults, reset).callback());
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).listen(options.port ?? 0, options.host ?? '127.0.0.1', resolve);
  await listening;
  const { address, family, port } = addressOf(server.address());
  const host = /^(0\.0\.0\.0|::)$/.test(address) ? '127.0.0.1' : family === 'IPv6' ? `[${address}]` : address;
  const url = `http://${host}:${port}`;
  const firstUser = () => [...state.users.keys()][0] ?? '';
  return {
    url,
    authorize: (authorizeUrl, { user = firstUser(), decision = 'allow' } = {}) =>
      authorize(url, authorizeUrl, user, decision),
    signIn: (user = firstUser(), grant = {}) => signIn(state, user, grant),
    state,
    faults,
    reset,
    async [Symbol.asyncDispose]() {
      faults.clear();
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      await closed;
      await state.close();
    },
  };
}

function createApp(state: State, faults: Faults, reset: () => Promise<void>): Koa {
  const app = new Koa();
  app.on('error', (error: Error) => {
    if (!isDisconnect(error)) state.bugs.push(error);
  });
  app.use(
    serveX(state, faults, [
      ...createAuthorizeEndpoints(state),
      ...createOAuthEndpoints(state),
      ...createUserEndpoints(state),
      ...createTimelineEndpoints(state),
      ...createMediaEndpoints(state),
      ...createTweetEndpoints(state),
    ]),
  );
  app.use(createControl(state, faults, reset).routes());
  app.use(createPages(state).routes());
  return app;
}

function addressOf(address: AddressInfo | string | null): AddressInfo {
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  return address;
}

async function authorize(
  url: string,
  authorizeUrl: string,
  user: string,
  decision: 'allow' | 'deny',
): Promise<URL> {
  const form = new URLSearchParams(new URL(authorizeUrl).search);
  form.set('username', user);
  form.set('decision', decision);
  const response = await fetch(`${url}/i/oauth2/authorize`, {
    method: 'POST',
    body: form,
    redirect: 'manual',
  });
  const location = response.headers.get('location');
  if (location) return new URL(location);
  throw new Error(`X shows an error page: ${(await response.text()).replace(/\s*<[^>]*>\s*/g, ' ')}`);
}

function signIn(
  state: State,
  user: string,
  grant: { clientId?: string; scope?: readonly string[] },
): TokenAnswer {
  const { clientId = 'sandbox-client', scope = allScopes } = grant;
  const found = state.findUser(user);
  if (!found) throw new Error(`The simulator has no user ${user}.`);
  return state.grants.issue({ userId: found.id, clientId, scope });
}
