import { Readable } from 'node:stream';
import type { Context } from 'koa';
import { expect, it, vi } from 'vitest';
import { BodyError, readParameters } from './body.ts';

it('a form that does not end is answered, and ends the connection', async () => {
  vi.useFakeTimers();
  try {
    const req = new Readable({ read() {} });
    req.push('grant_type=');
    const reading = readParameters({ req, get: () => '' } as unknown as Context);
    const answered = expect(reading).rejects.toThrow(
      new BodyError('the body did not arrive within 30 seconds'),
    );
    await vi.advanceTimersByTimeAsync(30_000);
    await answered;
    expect(req.destroyed).toBe(false);
    await vi.advanceTimersByTimeAsync(1000);
    expect(req.destroyed).toBe(true);
  } finally {
    vi.useRealTimers();
  }
});
