import { Readable } from 'node:stream';
import type { Context } from 'koa';
import { expect, it, vi } from 'vitest';
import { readJsonBody } from './json-body.ts';
import { readParameters } from './sign-in/body.ts';

it.each<[string, object, (body: Readable) => Promise<unknown>]>([
  [
    'JSON',
    { code: 'bad_request', headers: { Connection: 'close' } },
    (body) => readJsonBody(Object.assign(body, { headers: { 'content-type': 'application/json' } })),
  ],
  [
    'a form of sign-in',
    { status: 400, message: 'the body did not arrive within 30 seconds' },
    (req) => readParameters({ req, get: () => '' } as unknown as Context),
  ],
])('%s that does not end is answered, and ends the connection', async (_, refusal, read) => {
  vi.useFakeTimers();
  try {
    const body = new Readable({ read() {} });
    body.push('{"a":');
    const answered = expect(read(body)).rejects.toMatchObject(refusal);
    await vi.advanceTimersByTimeAsync(30_000);
    await answered;
    expect(body.destroyed).toBe(false);
    await vi.advanceTimersByTimeAsync(1000);
    expect(body.destroyed).toBe(true);
  } finally {
    vi.useRealTimers();
  }
});
