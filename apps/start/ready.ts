import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';

interface ReadyOptions {
  /** Where the API listens. */
  readonly url: string;
  /** Told what is missing, once for each change. */
  readonly say: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

const NotReady = z.union([
  z.object({ problems: z.array(z.string()) }).transform(({ problems }) => problems.join(' ')),
  z.object({ detail: z.string() }).transform(({ detail }) => detail),
]);

/** Waits until the API says that it can accept posts. */
export async function waitUntilReady({ url, say, signal }: ReadyOptions): Promise<void> {
  let said = '';
  const patientUntil = Date.now() + 2000;
  while (!signal?.aborted) {
    const missing = await whatIsMissing(url);
    if (missing === null) return;
    if (missing !== said && Date.now() > patientUntil) {
      said = missing;
      say(`Not ready yet: ${missing}`);
    }
    await sleep(50, undefined, { signal }).catch(() => {});
  }
}

async function whatIsMissing(url: string): Promise<string | null> {
  try {
    const answer = await fetch(new URL('/readyz', url), { signal: AbortSignal.timeout(5000) });
    if (answer.ok) return null;
    return NotReady.parse(await answer.json());
  } catch {
    return 'the API does not answer.';
  }
}
