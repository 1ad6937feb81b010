import fc from 'fast-check';
import { expect, it } from 'vitest';
import { jobStates } from '#libs/jobs/job.ts';
import type { JobPatch } from '#libs/jobs/job-record.ts';
import { createJobStore, type MoveFacts } from '#libs/jobs/job-store.ts';
import { type MoveName, moves } from '#libs/jobs/moves.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { useOwnRedis } from '../own-redis.ts';
import { evaluateMove, type Fields } from './record.ts';

const { redis } = await useOwnRedis({ args: ['--appendfsync', 'no'] });

const hourMs = 3_600_000;
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const time = maybe(fc.constantFrom('past', 'future'));
const fields = {
  state: maybe(fc.constantFrom(...jobStates)),
  owner: maybe(fc.constantFrom('w1', 'w2')),
  'item:0:owner': maybe(fc.constantFrom('w1', 'w2')),
  attempt_id: maybe(fc.constantFrom('a1', 'a2')),
  cursor: maybe(fc.constantFrom('0', '1')),
  last_move: maybe(fc.constantFrom('m1', 'm2')),
  open_attempts: maybe(fc.constantFrom('0', '1')),
  media: maybe(fc.constantFrom('0', '1')),
  tweets: maybe(fc.constantFrom('', '5@1')),
  reconcile: maybe(fc.constant('1')),
  not_before: time,
  publish_at: time,
  expires_at: time,
  deadline_at: time,
};
const facts = fc.record({
  owner: fc.constantFrom('w1', 'w2'),
  item: maybe(fc.constant(0)),
  attemptId: fc.constantFrom('a1', 'a2'),
  cursor: fc.constantFrom(0, 1),
  moveId: fc.constantFrom('m1', 'm3'),
  bumpFence: fc.boolean(),
  tweet: maybe(
    fc.record({
      id: fc.constantFrom(null, '5'),
      claim: fc.constantFrom('take' as const, 'if_free' as const),
    }),
  ),
  patch: fc.constantFrom<JobPatch[]>(
    {},
    { owner: 'w3', starts: 2, observation: null, renewedToken: true },
    { attemptId: null, intentAt: { plusMs: 0 }, deadlineAt: { plusMs: 5000 }, waitReason: 'limit' },
  ),
});
const cases = fc.record({
  record: fc.record(fields),
  name: fc.constantFrom(...(Object.keys(moves) as MoveName[])),
  facts,
  claimedBy: maybe(fc.constantFrom('job', 'other')),
  earlier: fc.array(fc.constantFrom(...jobStates), { maxLength: 2 }),
});
/** Drawn blindly, most moves are refused by their first guard: these are allowed, but for what two fields at most say. */
const nearlyAllowed = fc
  .tuple(cases, fc.nat(), fc.subarray(Object.keys(fields), { maxLength: 2 }))
  .map(([drawn, which, spoiled]) => {
    const { name, facts } = drawn;
    const from: readonly string[] = moves[name].from;
    const allowed: Record<string, string | undefined> = {
      state: from[which % from.length],
      owner: facts.owner,
      'item:0:owner': facts.owner,
      attempt_id: facts.attemptId,
      cursor: String(facts.cursor),
      media: '0',
      not_before: 'past',
      publish_at: 'past',
      deadline_at: 'past',
    };
    const asDrawn = Object.entries(drawn.record).filter(([field]) => spoiled.includes(field));
    return { ...drawn, record: { ...allowed, ...Object.fromEntries(asDrawn) } };
  });

it('the move script decides and writes as the model does', async () => {
  const jobs = createJobStore({ redis, sealer: createSealer([{ kid: 'k', key: Buffer.alloc(32) }]) });
  await fc.assert(
    fc.asyncProperty(fc.oneof(cases, nearlyAllowed), async ({ record, name, facts, claimedBy, earlier }) => {
      await redis.flushall();
      const now = Date.now();
      const given = toFields(record, now);
      if (given.state !== undefined) await redis.hset('job:job', given);
      if (claimedBy) await redis.set('postowner:5', claimedBy);
      for (const [index, state] of earlier.entries()) {
        await redis.hset(`job:e${index}`, { state, account: '7' });
        await redis.zadd('lane:7', index, `e${index}`);
      }
      const { tweet, item, ...others } = facts;
      const told: MoveFacts = {
        ...others,
        ...(tweet && { tweet }),
        ...(item !== undefined && { item }),
      };
      const predicted = evaluateMove(moves, given, name, told, {
        now,
        earlier,
        claimedBy: claimedBy ?? null,
      });
      const made = await jobs.move('job', name, told);
      expect(made.done ? 'done' : made.reason).toBe(predicted.done ? 'done' : predicted.reason);
      const stored = await redis.hgetall('job:job');
      expect(roughly(stored, now)).toEqual(roughly(predicted.done ? predicted.record : given, now));
    }),
    { numRuns: 2500 },
  );
});

function toFields(record: Readonly<Record<string, string | undefined>>, now: number): Fields {
  if (record.state === undefined) return {};
  const fields: Record<string, string> = { id: 'job', account: '7', sequence: '10' };
  for (const [field, value] of Object.entries(record)) {
    if (value === 'past') fields[field] = String(now - hourMs);
    else if (value === 'future') fields[field] = String(now + hourMs);
    else if (value !== undefined) fields[field] = value;
  }
  return fields;
}

/** Moments differ by what a call takes: they count as the same when both are close to now. */
function roughly(fields: Fields, now: number): Fields {
  const close = (digits: string) => (Math.abs(Number(digits) - now) < 60_000 ? 'now' : digits);
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, value.replaceAll(/\d{13}/g, close)]),
  );
}
