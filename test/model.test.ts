import { describe, expect, it } from 'vitest';
import { type Exploration, explore, type Rule } from './model/explore.ts';
import { type Protocol, production, without } from './model/protocol.ts';

/** Two workers and one post, everything that may go wrong, in every order: the send protocol as it is in production. */
describe('the send protocol, in every order of events,', { timeout: 240_000 }, () => {
  const holds = (result: Exploration) => {
    expect(result.violation && `${result.violation.rule}:\n${result.violation.trace}`).toBeNull();
    expect(result.stuck).toBeNull();
    // Fewer would mean that the model has stopped to model anything.
    expect(result.states).toBeGreaterThan(10_000);
  };

  it('makes at most one post, calls nothing failed that is posted, and always comes to an end', () => {
    holds(explore(production));
  });

  it('does so where Redis loses replies and its client sends scripts again', () => {
    holds(explore({ ...production, lostReplies: true }));
  });

  it('does so where nothing is ever sent again', () => {
    holds(explore({ ...production, resendPolicy: 'never' }));
  });

  it('does so where Redis goes back in time, as long as that is noticed', () => {
    holds(explore({ ...production, crashes: false, attempts: 2 }, { rewinds: 1 }));
    holds(explore({ ...production, crashes: false, attempts: 1, rewindsToRuns: true }, { rewinds: 1 }));
  });
});

describe('each guard is needed:', { timeout: 240_000 }, () => {
  const broken = (change: Partial<Protocol>, rule: Rule, rewinds = 0) => {
    const { violation } = explore({ ...production, cancels: false, ...change }, { rewinds, watch: [rule] });
    expect(violation?.rule).toBe(rule);
    return violation?.trace ?? '';
  };
  const duplicate = 'no duplicate post';
  const falseFailure = 'nothing is called failed or canceled that is posted';

  it('without an intent before the request there are duplicates', () => {
    broken({ intentFirst: false }, duplicate);
  });

  it('sending again after an unknown outcome makes duplicates', () => {
    expect(broken({ lookBeforeResend: false }, duplicate)).toContain('gets:');
  });

  it('without a wait before "absent" there are duplicates', () => {
    expect(broken({ confirmAfterMs: 0 }, duplicate)).toContain('absent');
  });

  it('without a send deadline a frozen worker makes duplicates', () => {
    expect(broken({ sendDeadline: false }, duplicate)).toContain('half a minute passes');
  });

  it('an intent that Redis may forget makes duplicates', () => {
    expect(broken({ durable: false }, duplicate)).toContain('forgets its last write');
  });

  it('a refusal that is not held against its attempt calls posts failed', () => {
    expect(broken({ table: without('attempt', 'rejected') }, falseFailure)).toContain('rejected');
  });

  it('an attempt that is taken back without looking whose it was makes duplicates', () => {
    broken({ table: without('attempt', 'notCreated') }, duplicate);
  });

  it('a read that counts from its end makes duplicates', () => {
    expect(broken({ readCountsFromItsBeginning: false }, duplicate)).toContain('sees no post');
  });

  it("a loss of Redis' memory that nobody notices makes duplicates", () => {
    broken({ rewindIsNoticed: false }, duplicate, 1);
  });

  it('and where X refuses duplicates, it leaves posts that are called failed', () => {
    broken({ rewindIsNoticed: false, xFiltersDuplicates: true }, falseFailure, 1);
  });

  it('failing a post that was not looked for after such a loss calls posts failed', () => {
    broken({ table: without('trusted', 'fail'), rewindsToRuns: true }, falseFailure, 1);
  });

  it('canceling one does so too', () => {
    broken({ cancels: true, table: without('trusted', 'cancel') }, falseFailure, 1);
  });
});
