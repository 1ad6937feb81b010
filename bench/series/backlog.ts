import type { Row, Series } from '../row.ts';
import { median } from '../statistics.ts';
import { signIn, startWorld, type World } from '../world.ts';
import { postLoad } from './accept.ts';

const [backlogOf, accounts, rounds] = [100_000, 2000, 5];

/** Accepting while very many posts wait, against none; two systems side by side, asked by turns. */
export const backlog: Series = {
  name: 'backlog',
  title: `Accepting with ${backlogOf.toLocaleString('en-US')} open jobs against none`,
  async run(): Promise<Row[]> {
    await using empty = await startWorld();
    await using full = await startWorld();
    const before = await memoryOf(full);
    // Far from the accounts that post meanwhile: what is measured is the size of everything, not of one account.
    await full.acceptTexts(backlogOf, accounts, 'backlog');
    const bytesEach = ((await memoryOf(full)) - before) / backlogOf;
    await using emptyApi = await empty.startApi();
    await using fullApi = await full.startApi();
    const token = { empty: await signIn(emptyApi.url, 5001), full: await signIn(fullApi.url, 5001) };
    const [own, baseline]: [number[], number[]] = [[], []];
    for (let round = 0; round <= rounds; round++) {
      const quiet = await postLoad(emptyApi.url, [token.empty], 1, 1500);
      const busy = await postLoad(fullApi.url, [token.full], 1, 1500);
      if (round === 0) continue;
      baseline.push(quiet.p50Ms);
      own.push(busy.p50Ms);
    }
    return [
      {
        what: 'p50, 1 connection',
        unit: 'ms',
        ours: median(own),
        baseline: median(baseline),
        goal: { ratioAtMost: 1.2 },
      },
      {
        what: 'Redis, each open text job',
        unit: 'kB',
        ours: bytesEach / 1024,
        baseline: null,
        goal: { atMost: 3 },
      },
    ];
  },
};

async function memoryOf({ redis }: World): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1]);
}
