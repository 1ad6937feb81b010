import Router from '@koa/router';
import type { Context } from 'koa';
import { z } from 'zod';
import { parseJson } from './body.ts';
import { DisconnectRequest, FaultScript, SettingsPatch, TokenRequest } from './control-schemas.ts';
import { type Fault, together } from './fault.ts';
import type { Faults } from './faults.ts';
import type { Media } from './media-store.ts';
import type { State } from './state.ts';
import { closed } from './wait.ts';

const examples = {
  'POST /_simulator/faults': [
    { endpoint: 'POST /2/tweets', fault: { answer: { status: 503 }, acts: true } },
    { endpoint: 'POST /2/media/upload/:id/append', nth: 3, fault: { cut: 'reading' } },
    { endpoint: 'POST /2/tweets', times: null, fault: { hold: 'committed' } },
  ],
  'POST /_simulator/settings': { timelineLagMs: 5_000, creditsUsd: 0.1 },
  'POST /_simulator/tokens': { user: 'sandbox_ada', scope: ['tweet.read', 'tweet.write', 'users.read'] },
  'POST /_simulator/disconnect': { user: 'sandbox_ada' },
};

/**
 * `/_simulator/…`: the same control over HTTP, for tests of whole processes. To kill a client at a known moment:
 * set a fault with `hold`, wait for `GET /_simulator/faults/:id/reached`, kill, `POST /_simulator/faults/:id/release`.
 */
export function createControl(state: State, faults: Faults, reset: () => Promise<void>): Router {
  const router = new Router({ prefix: '/_simulator' });
  router.use(async (_context, next) => {
    await next();
    await state.saved();
  });
  router.get('/', (context) => {
    const routes = router.stack.flatMap(({ methods, path }) => methods.map((method) => `${method} ${path}`));
    context.body = { routes: routes.filter((route) => !route.startsWith('HEAD')), examples };
  });
  router.post('/reset', async (context) => {
    await reset();
    context.body = {};
  });
  router.post('/settings', async (context) => {
    const patch = await readBody(context, SettingsPatch);
    if (!patch) return;
    const { clockOffsetMs, ...settings } = patch;
    Object.assign(state.settings, settings);
    if (clockOffsetMs !== undefined) state.settings.now = () => Date.now() + clockOffsetMs;
    context.body = state.settings;
  });
  addLedgerRoutes(router, state);
  addAccountRoutes(router, state);
  addFaultRoutes(router, faults);
  addHoldRoutes(router, faults);
  return router;
}

function addLedgerRoutes(router: Router, state: State): void {
  router.get('/requests', (context) => {
    const { endpoint } = context.query;
    context.body = state.requests.all.filter((request) => !endpoint || request.endpoint === endpoint);
  });
  router.get('/tweets', (context) => {
    context.body = state.tweets.all.map((tweet) => ({
      ...tweet,
      media: tweet.mediaIds.map((id) => state.media.get(id)).map((media) => media && describeMedia(media)),
    }));
  });
  router.get('/media', (context) => {
    context.body = state.media.uploads.all.map(describeMedia);
  });
  router.get('/bugs', (context) => {
    context.body = state.bugs.map(({ stack }) => stack);
  });
}

function addAccountRoutes(router: Router, state: State): void {
  router.get('/users', (context) => {
    context.body = [...state.users.values()];
  });
  router.post('/tokens', async (context) => {
    const request = await readBody(context, TokenRequest);
    const user = request && state.findUser(request.user);
    if (request && user) context.body = state.grants.issue({ ...request, userId: user.id });
  });
  router.post('/disconnect', async (context) => {
    const request = await readBody(context, DisconnectRequest);
    const user = request && state.findUser(request.user);
    if (!user) return;
    state.grants.disconnect(user.id, request.clientId);
    context.body = {};
  });
}

function addFaultRoutes(router: Router, faults: Faults): void {
  router.get('/faults', (context) => {
    context.body = faults.pending;
  });
  router.post('/faults', async (context) => {
    const script = await readBody(context, FaultScript);
    if (!script) return;
    const { endpoint, nth, times } = script;
    const { hold, ...parts } = script.fault;
    const aim = { nth, times: times ?? Number.POSITIVE_INFINITY };
    const fault = together(withoutUndefined(parts));
    const id = hold ? faults.hold(endpoint, hold, aim, fault).id : faults.add(endpoint, fault, aim);
    context.status = 201;
    context.body = { id };
  });
  router.delete('/faults', (context) => {
    faults.clear();
    context.body = {};
  });
  router.delete('/faults/:id', (context) => {
    faults.remove(context.params.id ?? '');
    context.body = {};
  });
}

function addHoldRoutes(router: Router, faults: Faults): void {
  router.post('/faults/:id/release', (context) => {
    const hold = faults.findHold(context.params.id ?? '');
    hold?.release();
    if (hold) context.body = {};
  });
  router.get('/faults/:id/reached', async (context) => {
    const hold = faults.findHold(context.params.id ?? '');
    if (!hold) return;
    const seconds = Math.min(Number(context.query.timeout_seconds ?? 30) || 0, 600);
    const timeout = Promise.withResolvers<null>();
    const timer = setTimeout(() => timeout.resolve(null), seconds * 1000);
    void closed(context.res).then(() => timeout.resolve(null));
    const request = await Promise.race([hold.reached, timeout.promise]);
    clearTimeout(timer);
    context.body = { reached: request !== null, request };
  });
}

function describeMedia(media: Media) {
  const { segments, path: _path, accepting: _accepting, ...rest } = media;
  return { ...rest, segments: segments.length, url: `/media/${media.id}` };
}

function withoutUndefined(fault: object): Fault {
  return Object.fromEntries(Object.entries(fault).filter(([, value]) => value !== undefined));
}

/** The JSON body if it fits; else null, and the answer says what is wrong. */
async function readBody<T>(context: Context, schema: z.ZodType<T>): Promise<T | null> {
  const chunks: Buffer[] = [];
  for await (const chunk of context.req) chunks.push(chunk);
  const result = schema.safeParse(parseJson(Buffer.concat(chunks).toString('utf8')));
  if (result.success) return result.data;
  context.status = 400;
  context.body = { error: z.prettifyError(result.error) };
  return null;
}
