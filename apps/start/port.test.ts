import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { checkPort, isPortFree } from './port.ts';
import { freePort } from './redis-process.ts';

it('a taken port is refused with a sentence that says what to do, a free one is not', async () => {
  const port = await freePort();
  await checkPort('127.0.0.1', port);
  await checkPort('127.0.0.1', 0);
  expect(await isPortFree(port)).toBe(true);
  const other = createServer().listen(port, '127.0.0.1');
  await once(other, 'listening');
  try {
    await expect(checkPort('127.0.0.1', port)).rejects.toThrow(/is taken.*PORT=/);
    expect(await isPortFree(port)).toBe(false);
  } finally {
    other.close();
  }
  await expect(checkPort('192.0.2.1', port)).rejects.toThrow(/HOST/);
});
