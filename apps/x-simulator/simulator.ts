import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Koa from 'koa';
import { createAuthorizeEndpoints } from './authorize.ts';
import { createControl } from './control.ts';
import { serveX } from './exchange.ts';
import { Faults } from './faults.ts';
import { createMediaEndpoints } from './media.ts';
import { createOAuthEndpoints } from './oauth.ts';
import { createPages } from './pages.ts';
import type { SimulatorOptions } from './settings.ts';
import { State } from './state.ts';
import { createTimelineEndpoints } from './timeline.ts';
import { createTweetEndpoints } from './tweets.ts';
import { createUserEndpoints } from './users.ts';

export type { Simulator };

/** A simulated X that listens. */
interface Simulator extends AsyncDisposable {
  /** Origin of the API, the authorize page and the timeline page; no trailing slash. */
  readonly url: string;
  readonly state: State;
  readonly faults: Faults;
  /** Back to how it was started: no posts, uploads, tokens, faults or log. */
  reset(): Promise<void>;
}

/** Starts a simulated X on a free port of 127.0.0.1, unless `options` say otherwise. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const state = new State(options);
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
  return {
    url: `http://${host}:${port}`,
    state,
    faults,
    reset,
    async [Symbol.asyncDispose]() {
      faults.clear();
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      await closed;
      await state.media.clear();
    },
  };
}

function createApp(state: State, faults: Faults, reset: () => Promise<void>): Koa {
  const app = new Koa();
  app.on('error', (error: Error) => state.bugs.push(error));
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
