import { Queue } from 'bullmq';
import { startProgram } from '../program.ts';
import type { Series } from '../row.ts';
import { byTurns, median } from '../statistics.ts';
import { forget, seenBy, startWorld, until, type World } from '../world.ts';

const [count, accounts] = [2000, 250];

/** Text posts through one worker, 50 at a time, against the least that publishing safely takes. */
export const publish: Series = {
  name: 'publish',
  title: 'Publishing text posts through one worker, 50 at a time',
  async run() {
    await using world = await startWorld({ environment: { WORKER_CONCURRENCY: '50' } });
    await world.connectAccounts(accounts);
    const queue = new Queue('bare', { connection: world.redis });
    const results = await byTurns(3, {
      ours: async () => {
        await world.acceptTexts(count, accounts, `at ${performance.now()}`);
        return await rateOf(world, () => world.startWorker());
      },
      baseline: async () => {
        const entries = Array.from({ length: count }, (_, index) => ({
          name: 'wake',
          data: { text: `A post about nothing much, number ${index}` },
        }));
        await queue.addBulk(entries);
        return await rateOf(world, () =>
          startProgram('bench/programs/bare-worker.ts', [world.redisUrl, world.x.url]),
        );
      },
    });
    await queue.close();
    return [
      {
        what: 'posts',
        unit: '/s',
        ours: median(results.ours),
        baseline: median(results.baseline),
        goal: { ratioAtLeast: 0.4 },
      },
    ];
  },
};

/** Posts per second, between the first tenth and the last one to arrive at X. */
async function rateOf(world: World, startWorker: () => Promise<AsyncDisposable>): Promise<number> {
  await forget(world.x);
  await using _worker = await startWorker();
  const creates = await until(async () => {
    const seen = await seenBy(world.x);
    return seen.creates.length >= count ? seen.creates : null;
  }, 100);
  const [first = 0, last = 0] = [creates[count / 10], creates[count - 1]];
  // Its last outcomes are written, so that nothing is left for the next round.
  await until(async () => ((await world.redis.zcard('jobs:open')) === 0 ? true : null), 50);
  return (count - count / 10) / ((last - first) / 1000);
}
