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

/** POSTs as fast as the answers come. @throws Error at the first answer with another status than `expected` */
export async function load(options: LoadOptions): Promise<Load> {
  const { url, path, connections, forMs, expected, request } = options;
  const latencies: number[] = [];
  const startedAt = performance.now();
  const connection = async (_: unknown, index: number) => {
    const client = new Client(url);
    while (performance.now() - startedAt < forMs) {
      const sentAt = performance.now();
      const answer = await client.request({ method: 'POST', path, ...request(index) });
      const text = await answer.body.text();
      if (answer.statusCode !== expected) throw new Error(`${path}: ${answer.statusCode} ${text}`);
      latencies.push(performance.now() - sentAt);
    }
    await client.close();
  };
  await Promise.all(Array.from({ length: connections }, connection));
  const seconds = (performance.now() - startedAt) / 1000;
  return {
    perSecond: latencies.length / seconds,
    p50Ms: quantile(latencies, 0.5),
    p95Ms: quantile(latencies, 0.95),
  };
}
