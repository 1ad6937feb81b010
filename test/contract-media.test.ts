import { randomBytes } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JobView } from '#libs/jobs/job-view.ts';
import { animation } from '#libs/media/test-animations.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { validatingFetch } from './openapi-fetch.ts';
import { quickTimings } from './quick-timings.ts';
import { type Session, type System, startSystem } from './system.ts';

interface Uploaded {
  readonly media_id: string;
  readonly kind: string;
  readonly bytes: number;
  readonly expires_at: string;
  readonly code?: string;
  readonly detail?: string;
  readonly errors?: readonly { readonly field: string }[];
}

let system: System;
beforeAll(async () => {
  system = await startSystem({ timings: quickTimings });
});
afterAll(() => system[Symbol.asyncDispose]());

const picture = (colour: string, format: 'png' | 'gif' = 'png') =>
  sharp({ create: { width: 48, height: 48, channels: 3, background: colour } })
    .toFormat(format)
    .toBuffer();
const moving = (format: 'gif' | 'webp' = 'gif') => animation({ width: 48, height: 48, frames: 3, format });
const tomorrow = () => new Date(Date.now() + 86_400_000).toISOString();

/** Sends a form with one file, as any client of multipart does. */
async function upload(session: Session, bytes: Buffer, field = 'media', name = 'a.bin') {
  const form = new FormData();
  form.set(field, new Blob([new Uint8Array(bytes)], { type: 'application/octet-stream' }), name);
  const answer = await validatingFetch(system.url)('/media', {
    method: 'POST',
    headers: { authorization: `Bearer ${session.accessToken}` },
    body: form,
  });
  return { status: answer.status, body: (await answer.json()) as Uploaded };
}

describe('POST /media', () => {
  it('keeps a file for the posts that name it: the same bytes reach X, more than once', async () => {
    const session = await system.connect('sandbox_ada');
    const bytes = await picture('#aa5500');
    const { status, body } = await upload(session, bytes);
    expect(status).toBe(201);
    expect(body).toMatchObject({ kind: 'image', bytes: bytes.length });
    const life = Date.parse(body.expires_at) - Date.now();
    expect(life).toBeGreaterThan(23 * 3_600_000);
    expect(life).toBeLessThanOrEqual(24 * 3_600_000);
    for (const text of ['Once', 'Twice']) {
      const job = await session.post({ text, media_ids: [body.media_id], alt_texts: ['Brown'] });
      expect(job).toMatchObject({ status: 'published', media: [{ kind: 'image' }] });
      const [mediaId = ''] = system.simulator.state.tweets.visible(session.account.id)[0]?.mediaIds ?? [];
      const atX = await readFile(system.simulator.state.media.get(mediaId)?.path ?? '');
      expect(await sharp(atX).raw().toBuffer()).toEqual(await sharp(bytes).raw().toBuffer());
    }
  });

  it('judges by the bytes and not by the name', async () => {
    const session = await system.connect('sandbox_ada');
    const gif = await upload(session, await moving(), 'media', 'photo.jpg');
    expect(gif).toMatchObject({ status: 201, body: { kind: 'gif' } });
    for (const [bytes, code] of [
      [Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), 'media_unsupported'],
      [Buffer.from('just text'), 'media_unsupported'],
    ] as const)
      expect(await upload(session, bytes, 'media', 'a.png')).toMatchObject({ status: 422, body: { code } });
    const misnamed = await upload(session, await picture('#00aa00'), 'file');
    expect(misnamed).toMatchObject({ status: 400, body: { errors: [{ field: 'media' }] } });
    expect(await upload(session, Buffer.alloc(0))).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'media', message: 'The file is empty.' }] },
    });
    const form = new FormData();
    form.set('media', new Blob(['x']));
    const { body, headers } = new Response(form);
    const compressed = await fetch(`${system.url}/media`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${session.accessToken}`,
        'content-type': headers.get('content-type') ?? '',
        'content-encoding': 'gzip',
      },
      body,
      duplex: 'half',
    });
    expect(compressed.status).toBe(415);
  });

  it('takes a file without a type, as Python’s requests sends it', async () => {
    const session = await system.connect('sandbox_ada');
    const bytes = await picture('#0000aa');
    const body = Buffer.concat([
      Buffer.from('--b\r\nContent-Disposition: form-data; name="media"; filename="a.png"\r\n\r\n'),
      bytes,
      Buffer.from('\r\n--b--\r\n'),
    ]);
    const headers = {
      authorization: `Bearer ${session.accessToken}`,
      'content-type': 'multipart/form-data; boundary=b',
    };
    const answer = await validatingFetch(system.url)('/media', { method: 'POST', headers, body });
    expect(answer.status).toBe(201);
    expect(await answer.json()).toMatchObject({ kind: 'image', bytes: bytes.length });
  });

  it('takes one file, and none that is larger than X allows: known by its length before it is read', async () => {
    const session = await system.connect('sandbox_ada');
    const form = new FormData();
    for (const name of ['media', 'other']) form.append(name, new Blob(['GIF89a']), 'a.gif');
    const headers = { authorization: `Bearer ${session.accessToken}` };
    const two = await validatingFetch(system.url)('/media', { method: 'POST', headers, body: form });
    expect([two.status, ((await two.json()) as Uploaded).errors]).toEqual([
      400,
      [{ field: 'media', message: 'Must be one file.' }],
    ]);
    const { hostname, port } = new URL(system.url);
    const socket = connect(Number(port), hostname);
    socket.write(
      `POST /media HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${session.accessToken}\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 5000000000\r\n\r\n--b\r\n`,
    );
    const answer = (await socket.setEncoding('utf8').toArray()).join('');
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain('body_too_large');
  });

  it('takes multipart alone, and needs a sign-in', async () => {
    const session = await system.connect('sandbox_ada');
    const asJson = await session.request<{ code: string }>('POST', '/media', { media: 'x' });
    expect(asJson).toMatchObject({ status: 415, body: { code: 'unsupported_media_type' } });
    expect((await upload({ ...session, accessToken: 'unknown' }, await picture('#fff'))).status).toBe(401);
  });

  it('streams to disk: what is sent is there before the end, and gone when the client hangs up', async () => {
    const session = await system.connect('sandbox_ada');
    const folder = join(system.dataDir, 'media');
    const list = () => readdir(folder).catch(() => []);
    const before = new Set(await list());
    const { hostname, port } = new URL(system.url);
    const socket = connect(Number(port), hostname);
    const size = 64 * 1024 * 1024;
    socket.write(
      `POST /media HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${session.accessToken}\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${size}\r\n\r\n--b\r\nContent-Disposition: form-data; name="media"; filename="a"\r\n\r\n`,
    );
    const sent = 8 * 1024 * 1024;
    socket.write(randomBytes(sent));
    const onDisk = async () => {
      const names = (await list()).filter((name) => !before.has(name));
      const sizes = await Promise.all(
        names.map(async (name) => {
          const files = await readdir(join(folder, name));
          return await Promise.all(files.map(async (file) => (await stat(join(folder, name, file))).size));
        }),
      );
      return sizes.flat().reduce((sum, bytes) => sum + bytes, 0);
    };
    await expect.poll(onDisk).toBeGreaterThan(sent / 2);
    socket.destroy();
    await expect.poll(async () => (await list()).filter((name) => !before.has(name))).toEqual([]);
  });
});

describe('media_ids', () => {
  const post = (session: Session, body: object) =>
    session.request<JobView & Uploaded>('POST', '/postTweet', body);

  it('of another account, unknown or expired are refused before anything is queued', async () => {
    const [ada, ben] = [await system.connect('sandbox_ada'), await system.connect('sandbox_ben')];
    const { body } = await upload(ada, await picture('#123123'));
    const refused = await post(ben, {
      text: 'Not mine',
      media_ids: [body.media_id],
      thread: [{ text: 'Nor this', media_ids: ['nothing'] }],
    });
    expect(refused.status).toBe(422);
    expect(refused.body.errors?.map(({ field }) => field)).toEqual(['media_ids', 'thread[0].media_ids']);

    await using redis = await connectRedis(system.redis.url, 'wait');
    expect(await redis.pttl(`upload:${body.media_id}`)).toBeGreaterThan(23 * 3_600_000);
    await redis.pexpire(`upload:${body.media_id}`, 1);
    await expect
      .poll(async () => (await post(ada, { text: 'Too late', media_ids: [body.media_id] })).status)
      .toBe(422);
    const { body: list } = await ben.request<{ jobs: unknown[] }>('GET', '/jobs');
    expect(list.jobs).toEqual([]);
  });

  it('count as what the post makes of them: a GIF that does not move is an image, a WebP that moves is a GIF', async () => {
    const session = await system.connect('sandbox_ada');
    const still = await upload(session, await picture('#00aa01', 'gif'));
    const other = await upload(session, await picture('#00aa02'));
    expect(still.body.kind).toBe('image');
    const both = await session.post({
      text: 'Stills',
      media_ids: [still.body.media_id, other.body.media_id],
    });
    expect(both).toMatchObject({ status: 'published', media: [{ kind: 'image' }, { kind: 'image' }] });
    const webp = await upload(session, await moving('webp'));
    expect(webp.body.kind).toBe('gif');
    const alone = await session.post({ text: 'Moving', media_ids: [webp.body.media_id] });
    expect(alone).toMatchObject({ status: 'published', media: [{ kind: 'gif' }] });
  });

  it('of kinds that do not go together are refused before anything is queued', async () => {
    const session = await system.connect('sandbox_ben');
    const [image, gif] = [
      await upload(session, await picture('#abcdef')),
      await upload(session, await moving()),
    ];
    const body = { text: 'Mixed', media_ids: [image.body.media_id, gif.body.media_id] };
    const refused = await post(session, body);
    expect(refused).toMatchObject({ status: 422, body: { errors: [{ field: 'media_ids' }] } });
    expect(refused.body.detail).toContain('a GIF goes alone');
    const other = await post(session, {
      ...body,
      media_ids: body.media_ids.slice(0, 1),
      publish_at: tomorrow(),
    });
    expect(other.status).toBe(202);
  });
});

describe('files of a conversation', () => {
  const send = async (session: Session, openaiFileIdRefs: unknown) => {
    // The document declares strings, so that ChatGPT hands over objects: what it sends is not what it declares.
    const answer = await fetch(`${system.url}/postTweet`, {
      method: 'POST',
      headers: { authorization: `Bearer ${session.accessToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ text: `File ${Math.random()}`, openaiFileIdRefs, wait_seconds: 30 }),
    });
    return { status: answer.status, body: (await answer.json()) as JobView & Uploaded };
  };

  it('arrive as objects, with or without a name and a type', async () => {
    const session = await system.connect('sandbox_cleo');
    system.mediaHost.files.set('/file-1', await picture('#550055'));
    const download_link = system.mediaHost.url('/file-1');
    for (const ref of [
      { id: 'file-1', name: 'dalle.webp', mime_type: 'image/webp', download_link },
      { id: 'file-2', name: null, mime_type: null, download_link },
      { download_link },
    ])
      expect(await send(session, [ref])).toMatchObject({
        status: 200,
        body: { status: 'published', media: [{ kind: 'image' }] },
      });
  });

  it('that arrive as plain ids are refused with the advice to attach them again', async () => {
    const session = await system.connect('sandbox_cleo');
    for (const [refs, field] of [
      [['file-abc'], 'openaiFileIdRefs[0]'],
      [[{ id: 'file-abc' }], 'openaiFileIdRefs[0].download_link'],
      [[{ id: 'file-abc', download_link: 'sandbox:/mnt/data/a.png' }], 'openaiFileIdRefs[0].download_link'],
    ] as const) {
      const refused = await send(session, refs);
      expect([400, 422]).toContain(refused.status);
      expect(refused.body.errors).toMatchObject([{ field }]);
      expect(refused.body.detail).toMatch(/attach (it|the file) again/i);
    }
  });
});
