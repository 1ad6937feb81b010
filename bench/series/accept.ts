import { load } from '../load.ts';
import { startProgram } from '../program.ts';
import type { Row, Series } from '../row.ts';
import { byTurns, median } from '../statistics.ts';
import { signIn, startWorld } from '../world.ts';

const accounts = 32;
/** For so long under load V8 still compiles, and ours has more that is to be compiled. */
const warmUpMs = 8000;

/** A text post until its 202, against the least that accepting durably takes. */
export const accept: Series = {
  name: 'accept',
  title: 'Accepting a text post (until 202)',
  async run() {
    await using world = await startWorld();
    await using api = await world.startApi();
    await using bare = await startProgram('bench/programs/bare-accept.ts', [world.redisUrl]);
    const tokens: string[] = [];
    for (let id = 1; id <= accounts; id++) tokens.push(await signIn(api.url, id));
    for (const url of [bare.url, api.url]) await postLoad(url, tokens, accounts, warmUpMs);
    return [
      ...(await measure({ connections: 32, ours: api.url, bare: bare.url, tokens })),
      ...(await measure({ connections: 1, ours: api.url, bare: bare.url, tokens })),
    ];
  },
};

let count = 0;

/** Posts at one of the two; each text is another one, because a repeated one would not be a new job. */
export function postLoad(url: string, tokens: readonly string[], connections: number, forMs: number) {
  return load({
    url,
    path: '/postTweet',
    connections,
    forMs,
    expected: 202,
    request: (index) => {
      count += 1;
      return {
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${tokens[index % tokens.length]}`,
        },
        body: JSON.stringify({ text: `A post about nothing much, number ${count}`, wait_seconds: 0 }),
      };
    },
  });
}

interface Contest {
  readonly connections: number;
  readonly ours: string;
  readonly bare: string;
  readonly tokens: readonly string[];
}

async function measure({ connections, ours, bare, tokens }: Contest): Promise<Row[]> {
  const results = await byTurns(5, {
    ours: () => postLoad(ours, tokens, connections, 1500),
    baseline: () => postLoad(bare, tokens, connections, 1500),
  });
  const row = (what: string, unit: string, key: 'perSecond' | 'p50Ms' | 'p95Ms') => ({
    what: `${what}, ${connections} connection${connections === 1 ? '' : 's'}`,
    unit,
    ours: median(results.ours.map((load) => load[key])),
    baseline: median(results.baseline.map((load) => load[key])),
  });
  return [
    ...(connections > 1 ? [{ ...row('rate', '/s', 'perSecond'), goal: { ratioAtLeast: 0.6 } }] : []),
    { ...row('p50', 'ms', 'p50Ms'), goal: { ratioAtMost: 2 } },
    row('p95', 'ms', 'p95Ms'),
  ];
}
