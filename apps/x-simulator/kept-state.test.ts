import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createRawClient, pick } from './raw-client.ts';
import { startSimulator } from './simulator.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'x-simulator-kept-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface Run {
  readonly url: string;
  readonly child: ChildProcess;
  /** What it said on its error output so far. */
  complaints(): string;
}

/** A simulator as a process of its own that keeps its state in the folder of the test. */
async function run(): Promise<Run> {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const child = spawn(process.execPath, [main], {
    env: { ...process.env, PORT: '0', STATE_DIR: folder },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let complaints = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaints += text;
  });
  const [message] = await once(child, 'message');
  return { url: String(pick(message, 'url')), child, complaints: () => complaints };
}

async function end({ child }: Run, signal: NodeJS.Signals): Promise<void> {
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

const basic = { authorization: `Basic ${Buffer.from('app:secret').toString('base64')}` };
const verifier = 'a-verifier-that-is-long-enough-0123456789-abcdef';
const redirectUri = 'https://app.example/callback';

/** A code as the authorize page gives it to the browser. */
async function allow(url: string): Promise<string> {
  const form = new URLSearchParams({
    response_type: 'code',
    client_id: 'app',
    redirect_uri: redirectUri,
    scope: 'tweet.read tweet.write users.read media.write offline.access',
    state: 'the state',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    username: 'sandbox_ada',
    decision: 'allow',
  });
  const answer = await createRawClient(url, null).post('/i/oauth2/authorize', form);
  return new URL(answer.headers.get('location') ?? '').searchParams.get('code') ?? '';
}

async function ask(url: string, fields: Record<string, string>) {
  const form = new URLSearchParams({ client_id: 'app', ...fields });
  const { status, json } = await createRawClient(url, null).post('/2/oauth2/token', form, basic);
  return {
    status,
    access: String(pick(json, 'access_token')),
    refresh: String(pick(json, 'refresh_token')),
  };
}

const exchange = (url: string, code: string) =>
  ask(url, { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier });
const refresh = (url: string, token: string) =>
  ask(url, { grant_type: 'refresh_token', refresh_token: token });

const png = () =>
  sharp({ create: { width: 9, height: 9, channels: 3, background: 'red' } })
    .png()
    .toBuffer();

describe('a simulator that keeps its state', () => {
  it('loses nothing that it has answered when it is killed: codes, tokens and what was done with them', async () => {
    const first = await run();
    const code = await allow(first.url);
    await end(first, 'SIGKILL');

    const second = await run();
    const tokens = await exchange(second.url, code);
    expect(tokens.status).toBe(200);
    await end(second, 'SIGKILL');

    const third = await run();
    expect((await exchange(third.url, code)).status).toBe(400);
    expect((await createRawClient(third.url, tokens.access).get('/2/users/me')).status).toBe(200);
    const renewed = await refresh(third.url, tokens.refresh);
    expect(renewed.status).toBe(200);
    await end(third, 'SIGKILL');

    const fourth = await run();
    expect((await createRawClient(fourth.url, renewed.access).get('/2/users/me')).status).toBe(200);
    // A refresh token works once, and its family ends with its second use.
    expect((await refresh(fourth.url, tokens.refresh)).status).toBe(400);
    await end(fourth, 'SIGKILL');

    const fifth = await run();
    expect((await refresh(fifth.url, renewed.refresh)).status).toBe(400);
    expect((await createRawClient(fifth.url, renewed.access).get('/2/users/me')).status).toBe(401);
    const kept = await readFile(join(folder, 'state.json'), 'utf8');
    for (const secret of [code, tokens.access, renewed.refresh]) expect(kept).not.toContain(secret);
  });

  it('still has posts, uploads and their pictures, and knows a duplicate', async () => {
    const first = await run();
    const { access } = await exchange(first.url, await allow(first.url));
    const before = createRawClient(first.url, access);
    const picture = await png();
    const [posted, ready, begun] = [
      await before.upload(picture, { mediaType: 'image/png', category: 'tweet_image' }),
      await before.upload(picture, { mediaType: 'image/png', category: 'tweet_image' }),
      await before.post('/2/media/upload/initialize', {
        media_type: 'image/png',
        media_category: 'tweet_image',
        total_bytes: picture.length,
      }),
    ];
    const begunId = String(pick(begun.json, 'data', 'id'));
    const media = { media_ids: [posted] };
    const post = await before.post('/2/tweets', { text: 'With a picture', media });
    expect(post.status).toBe(201);
    const gone = await before.post('/2/tweets', { text: 'Deleted' });
    await before.delete(`/2/tweets/${pick(gone.json, 'data', 'id')}`);
    const segment = { segment_index: 0, media: picture.toString('base64') };
    expect((await before.post(`/2/media/upload/${begunId}/append`, segment)).status).toBe(200);
    const me = await before.get('/2/users/me');
    const timeline = `/2/users/${pick(me.json, 'data', 'id')}/tweets?tweet.fields=created_at,attachments`;
    const seen = await before.get(timeline);
    await end(first, 'SIGKILL');

    const second = await run();
    const after = createRawClient(second.url, access);
    expect((await after.get(timeline)).json).toEqual(seen.json);
    expect((await after.post('/2/tweets', { text: 'With a picture' })).status).toBe(403);
    const shown = await fetch(`${second.url}/media/${posted}`);
    expect(Buffer.from(await shown.arrayBuffer()).equals(picture)).toBe(true);
    expect((await after.post(`/2/media/upload/${begunId}/finalize`, {})).status).toBe(200);
    const both = { media: { media_ids: [ready, begunId] } };
    expect((await after.post('/2/tweets', both)).status).toBe(201);
    expect(second.complaints()).toBe('');
  });

  it('says in one sentence that what it kept is damaged, sets it aside and begins anew', async () => {
    await writeFile(join(folder, 'state.json'), '{"grants":');
    const broken = await run();
    expect(broken.complaints()).toMatch(/^The file \S+state\.json is damaged: [^\n]*\n$/);
    expect(await readFile(join(folder, 'state.json.broken'), 'utf8')).toBe('{"grants":');
    const { access } = await exchange(broken.url, await allow(broken.url));
    await end(broken, 'SIGTERM');
    const next = await run();
    expect((await createRawClient(next.url, access).get('/2/users/me')).status).toBe(200);
    expect(next.complaints()).toBe('');
  });

  it('answers nothing that it cannot keep, and goes on when it can', async () => {
    await using simulator = await startSimulator({ keepIn: folder });
    const { access_token: token } = simulator.signIn();
    const ada = createRawClient(simulator.url, token);
    await simulator.state.saved();
    await rm(folder, { recursive: true });
    expect((await ada.post('/2/tweets', { text: 'Where to?' })).status).toBe(500);
    await mkdir(folder);
    // X acted, and said nothing of it.
    expect((await ada.post('/2/tweets', { text: 'Where to?' })).status).toBe(403);
    expect(JSON.parse(await readFile(join(folder, 'state.json'), 'utf8')).tweets).toHaveLength(1);
  });
});

it('a simulator that is not told to keep anything leaves nothing behind', async () => {
  {
    await using simulator = await startSimulator();
    const { access_token: token } = simulator.signIn();
    await createRawClient(simulator.url, token).post('/2/tweets', { text: 'For now' });
  }
  await using next = await startSimulator();
  expect(next.state.tweets.all).toEqual([]);
  expect(await readdir(folder)).toEqual([]);
});
