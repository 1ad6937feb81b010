import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { XAnswerError } from '#libs/x-api/errors.ts';
import { createSegmentOrder } from './segment-order.ts';

const refusal = () =>
  new XAnswerError({
    status: 400,
    title: 'Bad Request',
    detail: 'Segments go in order',
    type: '',
    code: null,
    oauthError: null,
    rateLimits: [],
    retryAfterMs: null,
    date: null,
    transactionId: null,
    messages: [],
  });

/** Sends `count` segments in `lanes` at a time; `append` decides when and how each ends. */
async function sendAll(
  order: ReturnType<typeof createSegmentOrder>,
  { count, lanes }: { count: number; lanes: number },
  append: (index: number) => Promise<void>,
): Promise<void> {
  const lane = async () => {
    for (let index = order.next(count); index !== null; index = order.next(count))
      await order.send(index, append);
  };
  const ends = await Promise.allSettled(Array.from({ length: lanes }, lane));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed) throw failed.reason;
}

const turns = (number: number) => fc.array(fc.nat({ max: 6 }), { minLength: number, maxLength: number });
async function waitTurns(number: number): Promise<void> {
  for (let turn = 0; turn < number; turn++) await Promise.resolve();
}

describe('the order of segments', () => {
  it('brings each to X once, from the first missing one on, however they overtake each other', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 5 }),
        fc.integer({ min: 1, max: 8 }),
        turns(20),
        async (first, lanes, delays) => {
          const order = createSegmentOrder(first);
          const taken: number[] = [];
          await sendAll(order, { count: 20, lanes }, async (index) => {
            await waitTurns(delays[index] ?? 0);
            taken.push(index);
            expect(order.lowest()).toBeLessThanOrEqual(index);
          });
          expect(taken.toSorted((a, b) => a - b)).toEqual(
            Array.from({ length: 20 - first }, (_, index) => first + index),
          );
          expect(order.lowest()).toBe(20);
        },
      ),
    );
  });

  it('keeps to the order from the first refusal on, where X insists on it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 8 }), turns(20), async (lanes, delays) => {
        const order = createSegmentOrder(0);
        let atX = 0;
        await sendAll(order, { count: 20, lanes }, async (index) => {
          await waitTurns(delays[index] ?? 0);
          if (index !== atX) throw refusal();
          atX += 1;
        });
        expect([atX, order.lowest()]).toEqual([20, 20]);
      }),
    );
  });

  it('ends with the first failure: no further segment begins, and what is missing is known', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 19 }),
        fc.integer({ min: 1, max: 8 }),
        turns(20),
        async (bad, lanes, delays) => {
          const order = createSegmentOrder(0);
          const taken = new Set<number>();
          const sending = sendAll(order, { count: 20, lanes }, async (index) => {
            await waitTurns(delays[index] ?? 0);
            if (index === bad) throw new Error('broken');
            taken.add(index);
          });
          await expect(sending).rejects.toThrow('broken');
          expect(order.lowest()).toBeLessThanOrEqual(bad);
          for (let index = 0; index < order.lowest(); index++) expect(taken.has(index)).toBe(true);
          expect(order.next(20)).toBeNull();
        },
      ),
    );
  });
});
