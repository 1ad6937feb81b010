import type { Row, Series } from '../row.ts';
import { forget, seenBy, startWorld, until, type World } from '../world.ts';

const [accounts, perWorker] = [400, 400];
const xDelayMs = 100;

/** Adding workers adds throughput while X, and not this machine, is what takes the time. */
export const workers: Series = {
  name: 'workers',
  title: `Four workers against one, X answering in ${xDelayMs} ms`,
  async run(): Promise<Row[]> {
    await using world = await startWorld({ xDelayMs });
    await world.connectAccounts(accounts);
    const one = await rateOf(world, 1);
    const four = await rateOf(world, 4);
    return [
      { what: 'posts, 4 workers to 1', unit: '/s', ours: four, baseline: one, goal: { ratioAtLeast: 3.6 } },
    ];
  },
};

/** Posts per second with that many workers, when all of them run. */
async function rateOf(world: World, howMany: number): Promise<number> {
  await using stack = new AsyncDisposableStack();
  for (let started = 0; started < howMany; started++) stack.use(await world.startWorker());
  await forget(world.x);
  const count = perWorker * howMany;
  await world.acceptTexts(count, accounts, `${howMany} workers`);
  const creates = await until(async () => {
    const seen = await seenBy(world.x);
    return seen.creates.length >= count ? seen.creates : null;
  }, 200);
  // The middle: all of them are at work then.
  const [from, to] = [Math.floor(count * 0.2), Math.floor(count * 0.8)];
  return (to - from) / (((creates[to] ?? 0) - (creates[from] ?? 0)) / 1000);
}
