import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { checkPort, choosePort, isPortFree, rememberPort } from './port.ts';
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

it('any free port is the same one at the next start, unless it was taken meanwhile', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'post-to-x-port-'));
  try {
    expect(await choosePort(0, dataDir)).toBe(0);
    const port = await freePort();
    await rememberPort(port, dataDir);
    expect(await choosePort(0, dataDir)).toBe(port);
    expect(await choosePort(8080, dataDir)).toBe(8080);
    const other = createServer().listen(port, '127.0.0.1');
    await once(other, 'listening');
    expect(await choosePort(0, dataDir)).toBe(0);
    other.close();
  } finally {
    await rm(dataDir, { recursive: true });
  }
});
