import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { expect, onTestFinished, test } from 'vitest';
import { createRawClient, pick } from './raw-client.ts';

/** The simulator as a process of its own; resolves when it says where it listens. */
async function start(env: Record<string, string>): Promise<{ child: ChildProcess; url: string }> {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const child = spawn(process.execPath, [main], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  for await (const chunk of child.stdout) {
    said += chunk;
    const url = /X simulator: (\S+)\n.*control/s.exec(said)?.[1];
    if (url) return { child, url };
  }
  throw new Error(`It stopped without a word of where it listens: ${said}`);
}

test('it says where to open it, serves, and leaves nothing behind when it is told to stop', async () => {
  const { child, url } = await start({ PORT: '0' });
  const control = createRawClient(`${url}/_simulator`, null);
  const scope = ['tweet.read', 'tweet.write', 'users.read', 'media.write'];
  const tokens = await control.post('/tokens', { user: 'sandbox_ada', clientId: 'c', scope });
  const ada = createRawClient(url, String(pick(tokens.json, 'access_token')));
  const png = await sharp({ create: { width: 9, height: 9, channels: 3, background: 'red' } })
    .png()
    .toBuffer();
  const id = await ada.upload(png, { mediaType: 'image/png', category: 'tweet_image' });
  expect((await ada.post('/2/tweets', { media: { media_ids: [id] } })).status).toBe(201);
  const listening = await fetch(`${url}/_simulator/events`);
  expect(listening.headers.get('content-type')).toBe('text/event-stream');
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
  await expect(listening.text()).rejects.toThrow();
  expect((await readdir(tmpdir())).filter((name) => name.startsWith(`x-simulator-${child.pid}-`))).toEqual(
    [],
  );
});

test('it explains itself and does not start when it is asked for help', async () => {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [main, '--help'], { timeout: 20_000 });
  for (const part of [/^npm run simulator: /, /PORT=/, /HOST=/, /STATE_DIR=/]) expect(stdout).toMatch(part);
  expect(stdout).not.toContain('X simulator: http');
});

test('a port that is taken is said in one sentence', async () => {
  const { url } = await start({ PORT: '0' });
  const { port } = new URL(url);
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const child = spawn(process.execPath, [main], {
    env: { ...process.env, PORT: port },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(child, 'exit');
  let said = '';
  for await (const chunk of child.stderr) said += chunk;
  expect(await exited).toEqual([1, null]);
  expect(said).toBe(`The X simulator cannot listen on 127.0.0.1:${port}: it is taken.\n`);
});
