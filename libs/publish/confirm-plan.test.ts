import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clockBehind,
  nextObservation,
  noObservation,
  planAbsent,
  planConfirm,
  windowStart,
  withAbsentRead,
  withRefusedRead,
} from './confirm-plan.ts';

const intentAt = 1_800_000_000_000;
const minute = 60_000;

/** Follows the plan: each read is begun some time after it is due, and shows nothing or is refused. */
function follow(confirmAfterMs: number, delays: readonly { afterMs: number; refused: boolean }[]) {
  let now = intentAt;
  let seen = noObservation;
  const reads: number[] = [];
  for (const { afterMs, refused } of delays) {
    const step = planConfirm({ intentAt, confirmAfterMs, now }, seen);
    if (step.kind !== 'read_at') return { end: step.kind, reads, now };
    now = Math.max(now, step.at) + afterMs;
    seen = refused ? withRefusedRead(seen, now) : withAbsentRead(seen, now);
    if (!refused) reads.push(now);
  }
  return { end: null, reads, now };
}

const delays = (most: number) =>
  fc.array(fc.record({ afterMs: fc.integer({ min: 0, max: most }), refused: fc.boolean() }), {
    minLength: 100,
    maxLength: 100,
  });
const windows = fc.integer({ min: 1, max: 10 * minute });

describe('finding out whether X has the post', () => {
  it('never ends with "absent" before two good reads, far enough apart, the last after the whole wait', () => {
    fc.assert(
      fc.property(windows, delays(2 * minute), (confirmAfterMs, steps) => {
        const { end, reads } = follow(confirmAfterMs, steps);
        if (end !== 'absent') return;
        const [first = 0, last = 0] = [reads.at(0), reads.at(-1)];
        expect(reads.length).toBeGreaterThanOrEqual(2);
        expect(last).toBeGreaterThanOrEqual(intentAt + confirmAfterMs);
        expect(last - first).toBeGreaterThanOrEqual(Math.min(30_000, confirmAfterMs / 2));
      }),
    );
  });

  it('always comes to an end', () => {
    fc.assert(
      fc.property(windows, delays(minute), (confirmAfterMs, steps) => {
        expect(follow(confirmAfterMs, steps).end).not.toBeNull();
      }),
    );
  });

  it('takes three reads and a minute where X answers each of them', () => {
    const { end, reads, now } = follow(minute, Array(9).fill({ afterMs: 0, refused: false }));
    expect(end).toBe('absent');
    expect(reads.map((at) => at - intentAt)).toEqual([2000, 15_000, minute]);
    expect(now - intentAt).toBe(minute);
  });

  it('gives up after a quarter of an hour of refused reads, and not sooner', () => {
    const { end, now } = follow(minute, Array(100).fill({ afterMs: 0, refused: true }));
    expect(end).toBe('give_up');
    expect(now - intentAt).toBeGreaterThan(15 * minute);
    expect(now - intentAt).toBeLessThan(17 * minute);
  });

  it('gives X this quarter of an hour also where nobody could look for hours', () => {
    const begun = intentAt + 180 * minute;
    const about = { intentAt, confirmAfterMs: minute };
    const seen = withRefusedRead(noObservation, begun);
    expect(planConfirm({ ...about, now: begun + minute }, seen).kind).toBe('read_at');
    const still = withRefusedRead(seen, begun + 14 * minute);
    expect(planConfirm({ ...about, now: begun + 15 * minute }, still).kind).toBe('read_at');
    expect(planConfirm({ ...about, now: begun + 15 * minute + 1 }, still).kind).toBe('give_up');
  });

  it('counts refused reads anew after a good one', () => {
    const once = withAbsentRead(withRefusedRead(noObservation, intentAt + 2000), intentAt + minute);
    const seen = withRefusedRead(once, intentAt + 20 * minute);
    const about = { intentAt, confirmAfterMs: minute, now: intentAt + 21 * minute };
    expect(planConfirm(about, seen).kind).toBe('read_at');
  });

  it('needs a single good read where X says that it has the text already', () => {
    const seen = { ...noObservation, duplicate: true };
    const about = { intentAt, confirmAfterMs: minute, now: intentAt + 10 };
    expect(planConfirm(about, seen)).toEqual({ kind: 'read_at', at: intentAt + 10 });
    expect(planConfirm(about, withAbsentRead(seen, intentAt + 10))).toEqual({ kind: 'absent' });
  });
});

describe('a post that is surely absent', () => {
  const job = { createdWithoutId: false, observation: noObservation, openAttempts: 1, expiresAt: null };
  const once = { resendPolicy: 'once', now: 1000 } as const;

  it('is sent once more, and not a third time', () => {
    expect(planAbsent(job, once)).toBe('resend');
    expect(planAbsent({ ...job, openAttempts: 2 }, once)).toBe('give_up');
  });

  it('is never sent again where that is the policy', () => {
    expect(planAbsent(job, { ...once, resendPolicy: 'never' })).toBe('give_up');
  });

  it('is published where X said that it created it', () => {
    expect(planAbsent({ ...job, createdWithoutId: true, openAttempts: 2 }, once)).toBe('created');
  });

  it('is not sent after its time', () => {
    expect(planAbsent({ ...job, expiresAt: 1000 }, once)).toBe('expired');
    expect(planAbsent({ ...job, expiresAt: 1001 }, once)).toBe('resend');
  });

  it('is a duplicate of a strange post, unless an earlier attempt of ours may be what X has', () => {
    const duplicate = { ...job, observation: { ...noObservation, duplicate: true } };
    expect(planAbsent(duplicate, once)).toBe('duplicate');
    expect(planAbsent({ ...duplicate, openAttempts: 2 }, once)).toBe('give_up');
  });
});

describe('what X shows can be our post', () => {
  const week = 7 * 24 * 60 * minute;
  const job = {
    acceptedAt: intentAt - week,
    publishAt: null,
    firstIntentAt: intentAt,
    intentAt: intentAt + 90_000,
    observation: noObservation,
  };
  const duplicate = { ...noObservation, duplicate: true };

  it('from a minute before the first attempt on', () => {
    expect(windowStart(job)).toBe(intentAt - minute);
  });

  it('from its acceptance on, where X has such a post already', () => {
    expect(windowStart({ ...job, observation: duplicate })).toBe(job.acceptedAt - minute);
  });

  it('never from before its time: that is the post of somebody else, whose claim may be forgotten', () => {
    const scheduled = { ...job, publishAt: intentAt - 500 };
    expect(windowStart({ ...scheduled, observation: duplicate })).toBe(intentAt - 500 - minute);
    const looked = { ...scheduled, firstIntentAt: job.acceptedAt };
    expect(windowStart(looked)).toBe(intentAt - 500 - minute);
  });
});

it('the clock of X is behind by what its answer says, unless that is little or nonsense', () => {
  expect(clockBehind(intentAt - 180_000, intentAt)).toBe(180_000);
  expect(clockBehind(intentAt + 180_000, intentAt)).toBe(0);
  expect(clockBehind(intentAt - 1500, intentAt)).toBe(0);
  expect(clockBehind(0, intentAt)).toBe(0);
  expect(clockBehind(null, intentAt)).toBe(0);
});

it('an unconfirmed job is looked at again after 5 minutes, an hour and a day', () => {
  expect(nextObservation(0, 0)).toBe(5 * minute);
  expect(nextObservation(0, 5 * minute)).toBe(60 * minute);
  expect(nextObservation(0, 60 * minute)).toBe(24 * 60 * minute);
  expect(nextObservation(0, 24 * 60 * minute)).toBeNull();
});
