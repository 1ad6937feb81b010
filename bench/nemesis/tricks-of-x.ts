import {
  actThenAnswer,
  actThenDrop,
  actThenDropHalfAnswered,
  answer,
  clientForbidden,
  delay,
  dropUnread,
  dropWhileReading,
  dropWithoutActing,
  type Fault,
  outOfCredits,
  rateLimited,
  spoil,
  tooLarge,
  trickle,
  unavailable,
  usageCapped,
} from '#apps/x-simulator/fault.ts';
import type { Settings } from '#apps/x-simulator/settings.ts';
import type { Random } from './random.ts';

/** A name for the history, and what goes wrong with one request. */
export type Trick = readonly [string, Fault];

const unauthorized = answer(401, { title: 'Unauthorized', detail: 'Unauthorized', status: 401 });
const problem = (status: number, detail: string) =>
  answer(status, { title: 'Invalid Request', detail, status });

/** What any endpoint may do. */
const anywhere = [
  ['500, not done', answer(500)],
  ['503 as a page', unavailable('html')],
  ['503 with nothing', unavailable('empty')],
  ['done, then 504', actThenAnswer(504)],
  ['done, no answer', actThenDrop()],
  ['done, half an answer', actThenDropHalfAnswered()],
  ['done, answer cut', spoil('truncated')],
  ['done, half a JSON', spoil('half-json')],
  ['done, wrong length', spoil('wrong-length')],
  ['done, garbage', spoil('garbage')],
  ['done, empty answer', spoil('empty')],
  ['read, not done, no answer', dropWithoutActing()],
  ['cut while it is read', dropWhileReading()],
  ['not read', dropUnread()],
  ['429 for 2 s', rateLimited(2)],
  ['401', unauthorized],
  ['slow', delay(1000)],
  ['bit by bit', trickle(30, 100)],
] as const satisfies readonly Trick[];

/** Tricks that make sense at one endpoint alone. */
const special = {
  'POST /2/tweets': [
    ['408, done', actThenAnswer(408)],
    ['500, done', actThenAnswer(500)],
    ['403, and it stays so', problem(403, 'You are not permitted to perform this action.')],
    ['400 for its media', problem(400, 'Your media IDs are invalid.')],
    [
      '385',
      answer(403, {
        errors: [{ code: 385, message: 'You attempted to reply to a post that is not visible.' }],
      }),
    ],
    ['403 of the app', clientForbidden()],
  ],
  'GET /2/users/:id/tweets': [['403', problem(403, 'Forbidden')]],
  'POST /2/media/upload/:id/append': [['413', tooLarge()]],
  'POST /2/media/upload/:id/finalize': [['404', problem(404, 'Not Found')]],
  'POST /2/media/upload/initialize': [['404', problem(404, 'Not Found')]],
  'GET /2/media/upload': [['404', problem(404, 'Not Found')]],
  'POST /2/oauth2/token': [
    ['401 of the app', answer(401, { error: 'unauthorized_client' })],
    ['400 that says nothing', answer(400, 'Bad Request')],
  ],
} as const satisfies Record<string, readonly Trick[]>;

/** What closes X for a minute and more: worth it only where there is time. */
const lasting = [
  ['429 without a reset', rateLimited()],
  ['429 with an absurd reset', answer(429, undefined, resetAt('99999999999'))],
  ['429 with a reset long ago', answer(429, undefined, resetAt('1000000000'))],
  ['429 of the app', usageCapped()],
  ['402', outOfCredits()],
] as const satisfies readonly Trick[];

const endpoints = Object.keys(special) as [keyof typeof special, ...(keyof typeof special)[]];

function resetAt(seconds: string): Record<string, string> {
  return { 'x-rate-limit-limit': '100', 'x-rate-limit-remaining': '0', 'x-rate-limit-reset': seconds };
}

/** Until the client gives up; a post that is only read is not made after that either. */
export const silences = [
  ['reads', 'read', dropWithoutActing()],
  ['makes', 'committed', {}],
] as const;

/** Habits of X that change for a while. */
export const habits = [
  ['shows posts late', { timelineLagMs: 2500 }],
  ['lets nobody reply at once', { replyLagMs: 1500 }],
  ['takes media late', { mediaLagMs: 2000 }],
  ['fails at media', { processing: { checkAfterSecs: 1, polls: 1, outcome: 'failed', error: null } }],
  [
    'does not say when to ask',
    { processing: { checkAfterSecs: null, polls: 2, outcome: 'succeeded', error: null } },
  ],
  ['names no key at first', { initializeMediaKey: false }],
  ['keeps media for minutes', { mediaSeconds: 300 }],
  [
    'speaks the older dialect',
    { fieldNames: 'tweet', problemHost: 'api.twitter.com', rateLimitBody: 'legacy' },
  ],
] as const satisfies readonly (readonly [string, Partial<Settings>])[];

/** One trick at one endpoint. */
export function chooseTrick(
  random: Random,
  { endpoint, patient }: { endpoint?: keyof typeof special | undefined; patient: boolean },
): readonly [string, ...Trick] {
  const drawn = random.pick(endpoints);
  const dice = random.next();
  const fitting: readonly Trick[] =
    patient && dice < 0.06 ? lasting : dice < 0.3 ? special[endpoint ?? drawn] : anywhere;
  return [endpoint ?? drawn, ...random.pick(fitting as [Trick, ...Trick[]])];
}
