import { Client } from 'undici';
import { quantile } from './statistics.ts';

export interface Load {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
}

interface LoadOptions {
  readonly url: string;
  readonly path: string;
  /** Each sends its next request when its last one is answered. */
  readonly connections: number;
  readonly forMs: number;
  readonly expected: number;
  readonly request: (connection: number) => {
    readonly headers: Record<string, string>;
    readonly body: string;
  };
}

/** With more 503s than this, what was measured is how the machine stood still. */
const mostRefused = 0.01;
const mostTries = 5;

/**
 * POSTs as fast as the answers come. What a server refuses for the moment (503), as it must while its disk or the machine
 * stands still, is said and does not count; where that is much, all is measured again.
 * @throws Error at the first answer with another status than `expected`, and where much is refused again and again
 */
export async function load(options: LoadOptions): Promise<Load> {
  for (let tries = 1; ; tries++) {
    const { refused, latencies, seconds } = await post(options);
    const told = `${options.url}: ${refused} of ${refused + latencies.length} were refused with 503`;
    if (refused <= latencies.length * mostRefused) {
      if (refused > 0) console.log(told);
      return {
        perSecond: latencies.length / seconds,
        p50Ms: quantile(latencies, 0.5),
        p95Ms: quantile(latencies, 0.95),
      };
    }
    if (tries === mostTries) throw new Error(told);
    console.log(`${told}; measuring again`);
  }
}

async function post(options: LoadOptions) {
  const { url, path, connections, forMs, expected, request } = options;
  const latencies: number[] = [];
  let refused = 0;
  const startedAt = performance.now();
  const connection = async (_: unknown, index: number) => {
    const client = new Client(url);
    while (performance.now() - startedAt < forMs) {
      const sentAt = performance.now();
      const answer = await client.request({ method: 'POST', path, ...request(index) });
      const text = await answer.body.text();
      if (answer.statusCode === expected) latencies.push(performance.now() - sentAt);
      else if (answer.statusCode === 503) refused += 1;
      else throw new Error(`${path}: ${answer.statusCode} ${text}`);
    }
    await client.close();
  };
  await Promise.all(Array.from({ length: connections }, connection));
  return { refused, latencies, seconds: (performance.now() - startedAt) / 1000 };
}
