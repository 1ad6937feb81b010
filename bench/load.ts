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

/** More 503s than this are no moment in which the machine stood still. */
const mostRefused = 0.01;

/**
 * POSTs as fast as the answers come. What a server refuses for the moment (503), as it must while its disk or the machine
 * stands still, is said and does not count.
 * @throws Error at the first answer with another status than `expected`, and where more is refused
 */
export async function load(options: LoadOptions): Promise<Load> {
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
  const seconds = (performance.now() - startedAt) / 1000;
  if (refused > latencies.length * mostRefused)
    throw new Error(`${path}: ${refused} refused, ${latencies.length} answered`);
  if (refused > 0) console.log(`${url}: ${refused} of ${refused + latencies.length} were refused with 503`);
  return {
    perSecond: latencies.length / seconds,
    p50Ms: quantile(latencies, 0.5),
    p95Ms: quantile(latencies, 0.95),
  };
}
