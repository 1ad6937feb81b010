import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSealer } from '#libs/sealing/sealing.ts';
import { useOwnRedis } from '../../test/own-redis.ts';
import { connect, type Fields, kill, mark, rotate, unmark } from './record-rules.ts';
import { connectScript } from './scripts.ts';
import { accountKey, createTokenStore, digestOf, sealTokens } from './token-store.ts';

const { redis } = await useOwnRedis();
const sealer = createSealer([{ kid: 'k', key: randomBytes(32) }]);

const tokenSet = (pair: number) => ({
  accessToken: `a${pair}`,
  refreshToken: `r${pair}`,
  expiresAt: 1,
  scope: ['x'],
});
const pairs = [0, 1, 2];
const digests = new Map(pairs.map((pair) => [digestOf(`r${pair}`), pair]));

/** The record in Redis, in the words of the rules. */
async function readFields(accountId: string): Promise<Fields | null> {
  const hash = await redis.hgetall(accountKey(accountId));
  if (!hash.v) return null;
  const v = Number(hash.v);
  const opened = hash.sealed
    ? JSON.parse(sealer.open(hash.sealed, { record: 'token_set', account: accountId, id: hash.v }))
    : null;
  return {
    v,
    st: hash.st === 'OK' ? 'OK' : hash.st === 'DEAD' ? 'DEAD' : 'REFRESHING',
    sealed: opened ? Number(opened.refresh.slice(1)) : null,
    attempt: hash.refresh_attempt ?? null,
    digest: digests.get(hash.rt_digest ?? '') ?? null,
    presented: Number(hash.presented ?? 0),
    done: hash.done_attempt ?? null,
  };
}

const v = fc.integer({ min: 0, max: 3 });
const pair = fc.constantFrom(...pairs);
const attempt: fc.Arbitrary<string> = fc.constantFrom('x', 'y', 'z');
const found: fc.Arbitrary<string> = fc.constantFrom('', 'x', 'y');
const operation = fc.oneof(
  fc.record({ kind: fc.constant('connect' as const), v, attempt, pair }),
  fc.record({
    kind: fc.constant('mark' as const),
    v,
    attempt,
    pair,
    found,
    lockIsOurs: fc.constantFrom(true, true, false),
  }),
  fc.record({ kind: fc.constant('unmark' as const), attempt }),
  fc.record({ kind: fc.constant('rotate' as const), v, attempt, pair, of: pair }),
  fc.record({ kind: fc.constant('kill' as const), v, attempt: found }),
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

const step = fc.record({ call: operation, fits: fc.constantFrom(true, true, true, false) });

async function runScript(accountId: string, call: Operation): Promise<unknown> {
  const tokens = createTokenStore({ redis, sealer });
  switch (call.kind) {
    case 'connect': {
      const sealed = sealTokens(sealer, accountId, call.v + 1, tokenSet(call.pair));
      const values = [call.v, call.attempt, '{}', 'x', sealed];
      return (await redis.eval(connectScript, 2, accountKey(accountId), 'accounts', ...values)) === 1;
    }
    case 'mark': {
      const lock = { key: `lock:${accountId}`, owner: 'me' };
      await redis.set(lock.key, call.lockIsOurs ? 'me' : 'another');
      const found = { id: call.found, ageMs: 0, presented: 0 };
      const { accessToken, refreshToken, expiresAt } = tokenSet(call.pair);
      const record = {
        version: call.v,
        state: 'ok',
        accessToken,
        refreshToken,
        expiresAt,
        attempt: found,
      } as const;
      return tokens.mark(accountId, record, call.attempt, lock);
    }
    case 'unmark':
      return tokens.unmark(accountId, call.attempt);
    case 'rotate': {
      const { v: version, attempt: attemptId, of } = call;
      const digest = digestOf(`r${of}`);
      return tokens.rotate({ accountId, version, attemptId, digest, tokenSet: tokenSet(call.pair) });
    }
    case 'kill':
      return tokens.kill(accountId, call.v, call.attempt);
  }
}

function applyRule(record: Fields | null, call: Operation): readonly [Fields | null, unknown] {
  switch (call.kind) {
    case 'connect':
      return connect(record, call);
    case 'mark':
      return mark(record, call);
    case 'unmark':
      return unmark(record, call);
    case 'rotate':
      return rotate(record, call);
    case 'kill':
      return kill(record, call);
  }
}

/** The same call by somebody who has just read the record: otherwise hardly any would find it unmoved. */
function fitted(call: Operation, record: Fields | null): Operation {
  if (!record) return call;
  const found = record.attempt ?? '';
  switch (call.kind) {
    case 'connect':
      return { ...call, v: record.v };
    case 'mark':
      return { ...call, v: record.v, found };
    case 'unmark':
      return { ...call, attempt: found };
    case 'rotate':
      return { ...call, v: record.v, of: record.digest ?? call.of };
    case 'kill':
      return { ...call, v: record.v, attempt: found };
  }
}

test('the scripts in Redis do what the rules say, in any order', async () => {
  let accounts = 0;
  const first: Operation = { kind: 'connect', v: 0, attempt: 'first', pair: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      const accountId = String(++accounts);
      let record: Fields | null = null;
      for (const { call: drawn, fits } of [{ call: first, fits: false }, ...steps]) {
        const call = fits ? fitted(drawn, record) : drawn;
        const [next, answer] = applyRule(record, call);
        expect(await runScript(accountId, call)).toEqual(answer);
        expect(await readFields(accountId)).toEqual(next);
        record = next;
      }
    }),
    { numRuns: 200 },
  );
});

test('the scripts do nothing to an account that is gone', async () => {
  const operations: Operation[] = [
    { kind: 'mark', v: 1, attempt: 'x', pair: 0, found: '', lockIsOurs: true },
    { kind: 'unmark', attempt: 'x' },
    { kind: 'rotate', v: 1, attempt: 'x', pair: 1, of: 0 },
    { kind: 'kill', v: 1, attempt: '' },
  ];
  for (const call of operations) {
    expect(await runScript('gone', call)).toEqual(applyRule(null, call)[1]);
    expect(await readFields('gone')).toBeNull();
  }
});
