import Router from '@koa/router';
import type { Context } from 'koa';
import { z } from 'zod';
import { parseJson } from './body.ts';
import { type Fault, points, together } from './fault.ts';
import type { Faults } from './faults.ts';
import type { Media } from './media-store.ts';
import type { State } from './state.ts';
import { closed } from './wait.ts';

const Answer = z.strictObject({
  status: z.int().min(100).max(599),
  body: z.unknown().optional(),
  headers: z.record(z.string(), z.string()).optional(),
  rateLimitResetSeconds: z.number().optional(),
});
const FaultScript = z.strictObject({
  endpoint: z.string(),
  nth: z.int().min(1).default(1),
  /** null: all from there on. */
  times: z.int().min(1).nullable().default(1),
  fault: z.strictObject({
    delayMs: z.number().min(0).optional(),
    cut: z.enum(['received', 'reading', 'read', 'committed', 'half-answered']).optional(),
    answer: Answer.optional(),
    acts: z.boolean().optional(),
    spoil: z.enum(['truncated', 'half-json', 'wrong-length', 'garbage', 'empty']).optional(),
    trickle: z.strictObject({ bytes: z.int().min(1), everyMs: z.number().min(0) }).optional(),
    /** Keeps the request at this point until the fault is released. */
    hold: z.enum(points).optional(),
  }),
});
const SettingsPatch = z.strictObject({
  accessTokenSeconds: z.number().optional(),
  familyRevocation: z.boolean().optional(),
  duplicateRule: z.union([z.boolean(), z.literal('text-and-media')]).optional(),
  replyRule: z.boolean().optional(),
  timelineLagMs: z.number().optional(),
  replyLagMs: z.number().optional(),
  mediaLagMs: z.number().optional(),
  mediaSeconds: z.number().optional(),
  creditsUsd: z.number().nullable().optional(),
  fieldNames: z.enum(['post', 'tweet']).optional(),
  problemHost: z.enum(['api.x.com', 'api.twitter.com']).optional(),
  processing: z
    .strictObject({
      checkAfterSecs: z.number().nullable(),
      polls: z.int(),
      outcome: z.enum(['succeeded', 'failed']),
      error: z.strictObject({ code: z.int(), name: z.string(), message: z.string() }).nullable(),
    })
    .optional(),
});
const SignIn = z.strictObject({ user: z.string(), clientId: z.string(), scope: z.array(z.string()) });
const UserOnly = z.strictObject({ user: z.string() });

/** `/_simulator/…`: the same control over HTTP, for tests of whole processes. */
export function createControl(state: State, faults: Faults, reset: () => Promise<void>): Router {
  const router = new Router({ prefix: '/_simulator' });
  router.get('/', (context) => {
    context.body = {
      routes: router.stack.flatMap(({ methods, path }) => methods.map((method) => `${method} ${path}`)),
    };
  });
  router.post('/reset', async (context) => {
    await reset();
    context.body = {};
  });
  router.get('/requests', (context) => {
    const endpoint = context.query.endpoint;
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
  router.get('/users', (context) => {
    context.body = [...state.users.values()];
  });
  router.post('/settings', async (context) => {
    const patch = await readBody(context, SettingsPatch);
    if (patch) Object.assign(state.settings, patch);
    if (patch) context.body = state.settings;
  });
  router.post('/tokens', async (context) => {
    const request = await readBody(context, SignIn);
    const user = request && state.findUser(request.user);
    if (request && user) context.body = state.grants.issue({ ...request, userId: user.id });
  });
  router.post('/disconnect', async (context) => {
    const request = await readBody(context, UserOnly);
    const user = request && state.findUser(request.user);
    if (user) state.grants.disconnect(user.id);
    if (user) context.body = {};
  });
  addFaultRoutes(router, faults);
  return router;
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
  const { segments, path: _path, ...rest } = media;
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
