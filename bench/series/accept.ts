import { type Load, load } from '../load.ts';
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
    const contest = { ours: api.url, bare: bare.url, tokens };
    const [rate, ...times] = rows('32 connections', await measure(contest, { connections: 32 }));
    // Without any of its account before it, a post gets an entry in the queue at once; so does one that expires.
    const expires_at = new Date(Date.now() + 3_600_000).toISOString();
    const woken = await measure(contest, { connections: 32, more: { expires_at } });
    const [wokenRate] = rows('32 connections, each post woken at once', woken);
    const [, ...oneTimes] = rows('1 connection', await measure(contest, { connections: 1 }));
    return [{ ...rate, goal: { ratioAtLeast: 0.6 } }, ...times, wokenRate, ...oneTimes];
  },
};

let count = 0;

/**
 * Posts at one of the two; each text is another one, because a repeated one would not be a new job. `more`: what each
 * post says besides.
 */
export function postLoad(
  url: string,
  tokens: readonly string[],
  connections: number,
  forMs: number,
  more: Readonly<Record<string, string>> = {},
) {
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
        body: JSON.stringify({
          text: `A post about nothing much, number ${count}`,
          wait_seconds: 0,
          ...more,
        }),
      };
    },
  });
}

interface Contest {
  readonly ours: string;
  readonly bare: string;
  readonly tokens: readonly string[];
}

interface Course {
  readonly connections: number;
  readonly more?: Readonly<Record<string, string>>;
}

function measure({ ours, bare, tokens }: Contest, { connections, more }: Course) {
  return byTurns(5, {
    ours: () => postLoad(ours, tokens, connections, 1500, more),
    baseline: () => postLoad(bare, tokens, connections, 1500, more),
  });
}

function rows(what: string, results: Awaited<ReturnType<typeof measure>>): [rate: Row, p50: Row, p95: Row] {
  const row = (name: string, unit: string, key: keyof Load): Row => ({
    what: `${name}, ${what}`,
    unit,
    ours: median(results.ours.map((load) => load[key])),
    baseline: median(results.baseline.map((load) => load[key])),
  });
  return [
    row('rate', '/s', 'perSecond'),
    { ...row('p50', 'ms', 'p50Ms'), goal: { ratioAtMost: 2 } },
    row('p95', 'ms', 'p95Ms'),
  ];
}
