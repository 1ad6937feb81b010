import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fieldOf, locationOf, TestBrowser } from '#apps/api/sign-in/test-browser.ts';
import { openCredentials } from '#apps/client/credentials.ts';
import { runClient } from '#apps/client/run.ts';
import { type System, startSystem } from './system.ts';

let system: System;
let home: string;
beforeAll(async () => {
  system = await startSystem();
  home = await mkdtemp(join(tmpdir(), 'post-to-x-client-'));
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

/** The person at the browser that the client opens: allows on our page, then at X. */
async function allow(url: string) {
  const browser = new TestBrowser();
  const here = (address: string) => address.replace('//localhost', '//127.0.0.1');
  const consentUrl = here(locationOf(await browser.get(here(url))));
  const page = await (await browser.get(consentUrl)).text();
  const fields = { csrf_token: fieldOf(page, 'csrf_token'), decision: 'approve' };
  const atX = locationOf(await browser.post(consentUrl, fields));
  const back = await system.simulator.authorize(atX, { user: 'sandbox_ada' });
  const resume = here(locationOf(await browser.get(here(back.href))));
  return await fetch(locationOf(await browser.get(resume)));
}

async function run(...argv: string[]) {
  const printed: string[] = [];
  const opened: Promise<Response>[] = [];
  const code = await runClient({
    argv: [...argv],
    credentials: openCredentials(home),
    usualServer: 'http://localhost:5000',
    screen: { write: (text) => void printed.push(text), redraws: false },
    openUrl: (url) => void opened.push(allow(url)),
  });
  const [page] = await Promise.all(opened);
  return { code, output: printed.join(''), page };
}

const server = () => system.url.replace('127.0.0.1', 'localhost');

describe('the client for the terminal', () => {
  it('signs in through the browser on a port of its own and keeps the tokens to itself', async () => {
    const { code, output, page } = await run('sign-in', '--server', server());
    expect(output).toContain('Signed in');
    expect(code).toBe(0);
    expect(await page?.text()).toContain('You can close this page');
    const file = join(home, 'post-to-x', 'credentials.json');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ current: server() });
  });

  it('posts with an image, follows the post to its end and lists it', async () => {
    const file = join(home, 'picture.png');
    await writeFile(
      file,
      await sharp({ create: { width: 30, height: 20, channels: 3, background: '#080' } })
        .png()
        .toBuffer(),
    );
    const posted = await run('post', 'From the terminal', '--media', file, '--alt', 'All green', '--wait');
    expect(posted.output).toContain('Tweet posted successfully!\nhttps://x.com/sandbox_ada/status/');
    expect(posted.code).toBe(0);
    const [tweet] = system.simulator.state.tweets.visible('1450000000000000001');
    expect(tweet?.text).toBe('From the terminal');
    expect(system.simulator.state.media.get(tweet?.mediaIds[0] ?? '')?.altText).toBe('All green');
    expect((await run('list')).output).toMatch(/^[0-9a-f]{32} .* published +From the terminal\n$/);
  });

  it('schedules, shows and cancels a post', async () => {
    const at = new Date(Date.now() + 3_600_000).toISOString();
    const { output } = await run('post', 'Much later', '--at', at);
    const id = /[0-9a-f]{32}/.exec(output)?.[0] ?? '';
    expect(output).toContain(`npm run x -- status ${id} --wait`);
    expect((await run('status', id)).output).toContain('scheduled');
    expect((await run('cancel', id)).output).toContain('canceled');
  });

  it('goes on with new tokens when the old ones have expired', async () => {
    const credentials = openCredentials(home);
    const tokens = await credentials.find(server());
    if (!tokens) throw new Error('not signed in');
    await credentials.save(server(), { ...tokens, accessToken: 'expired', expiresAt: 0 });
    expect((await run('list')).code).toBe(0);
    expect((await credentials.find(server()))?.accessToken).not.toBe('expired');
  });

  it('says what is wrong and ends with 1: a text that is too long, a post that fails', async () => {
    const long = await run('post', 'x'.repeat(300));
    expect(long).toMatchObject({ code: 1, output: expect.stringMatching(/280/) });
    const gone = await run(
      'post',
      'With a picture',
      '--media-url',
      system.mediaHost.url('/none.png'),
      '--wait',
    );
    expect(gone).toMatchObject({ code: 1, output: expect.stringMatching(/failed/) });
  });

  it.each([[[]], [['dance']], [['post']], [['post', 'a', '--medium', 'b']], [['status', 'nonsense']]])(
    'does not understand %j and ends with 2',
    async (argv) => {
      expect((await run(...argv)).code).toBe(2);
    },
  );

  it('ends quietly when whoever reads has seen enough', async () => {
    const script = join(import.meta.dirname, '../apps/client/main.ts');
    const child = spawn(process.execPath, [script, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    const [[code], said] = await Promise.all([once(child, 'exit'), readAll(child.stderr)]);
    expect({ code, said }).toEqual({ code: 0, said: '' });
  });

  it('takes the one-time code of the connected page too, and forgets everything on sign-out', async () => {
    const browser = new TestBrowser();
    const atX = locationOf(await browser.get(`${system.url}/startAuth`));
    const back = await system.simulator.authorize(atX, { user: 'sandbox_ben' });
    const page = await (await browser.get(`${system.url}/callback${back.search}`)).text();
    expect((await run('sign-in', '--code', fieldOf(page, 'code'))).code).toBe(0);
    expect((await run('list')).output).toBe('No posts yet.\n');
    const credentials = openCredentials(home);
    const tokens = await credentials.find(server());
    if (!tokens) throw new Error('not signed in');
    await credentials.save(server(), { ...tokens, expiresAt: 0 });
    expect((await run('list')).output).toBe('No posts yet.\n');
    expect((await run('sign-out')).code).toBe(0);
    expect(await run('list')).toMatchObject({ code: 1, output: expect.stringContaining('sign-in') });
  });
});
