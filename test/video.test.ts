import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type System, startSystem } from './system.ts';

const hasFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0;
if (!hasFfmpeg) process.stderr.write('ffmpeg is not installed: the tests with real videos are left out\n');

let system: System;
let video: Buffer;
beforeAll(async () => {
  if (!hasFfmpeg) return;
  video = makeVideo();
  system = await startSystem();
});
afterAll(() => system?.[Symbol.asyncDispose]());

/** A second of noise, 12 MB of it, as X takes it. */
function makeVideo(): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'post-to-x-video-'));
  try {
    const file = join(folder, 'noise.mp4');
    const source = ['-f', 'lavfi', '-i', 'nullsrc=s=1280x720:r=30:d=1,geq=random(1)*255:128:128'];
    const coding = [
      '-c:v',
      'libx264',
      '-preset',
      'ultrafast',
      '-profile:v',
      'high',
      '-pix_fmt',
      'yuv420p',
      '-b:v',
      '100M',
      '-maxrate',
      '100M',
      '-bufsize',
      '100M',
    ];
    execFileSync('ffmpeg', ['-v', 'error', ...source, ...coding, '-movflags', '+faststart', file]);
    return readFileSync(file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The same video with the place where it was taken, in its tables and behind all of it. */
function tagged(): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'post-to-x-video-'));
  try {
    const [from, to] = [join(folder, 'a.mp4'), join(folder, 'b.mp4')];
    writeFileSync(from, video);
    const tags = ['-metadata', 'comment=at +48.8577+002.2950', '-movflags', '+faststart'];
    execFileSync('ffmpeg', ['-v', 'error', '-i', from, '-c', 'copy', ...tags, to]);
    const xmp = Buffer.from('....uuid0123456789abcdef<x:xmpmeta>+48.8577+002.2950/</x:xmpmeta>');
    xmp.writeUInt32BE(xmp.length, 0);
    return Buffer.concat([readFileSync(to), xmp]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe.skipIf(!hasFfmpeg)('a video', () => {
  it('leaves for X while its download still runs, and arrives whole', async () => {
    expect(video.length).toBeGreaterThan(9_000_000);
    const { simulator, mediaHost } = system;
    const half = Math.ceil(video.length / 2);
    const session = await system.connect();
    mediaHost.pages.set('/slow.mp4', (_request, response) => {
      response.writeHead(200, { 'content-length': video.length });
      response.write(video.subarray(0, half));
      // The second half is held back until X has a segment of the first.
      simulator.state.requests
        .waitFor((request) => request.endpoint.endsWith('/append') && request.phase === 'answered')
        .then(
          () => response.end(video.subarray(half)),
          () => response.destroy(),
        );
    });
    const job = await session.post({ text: 'A video', media_url: mediaHost.url('/slow.mp4') });
    expect(job).toMatchObject({
      status: 'published',
      media: [{ kind: 'video', status: 'ready', sent_bytes: video.length }],
    });
    const [tweet] = simulator.state.tweets.visible(session.account.id);
    const media = simulator.state.media.get(tweet?.mediaIds[0] ?? '');
    expect(sha256(await readFile(media?.path ?? ''))).toBe(sha256(video));
    const initialized = simulator.state.requests.all.filter((request) =>
      request.endpoint.endsWith('/initialize'),
    );
    expect(initialized).toHaveLength(1);
  });

  it('that says where it was taken leaves as early, and says so no more', async () => {
    const { simulator, mediaHost } = system;
    const session = await system.connect('sandbox_cleo');
    const given = tagged();
    expect(given.toString('latin1').split('48.8577')).toHaveLength(3);
    const before = simulator.state.requests.all.length;
    mediaHost.files.set('/tagged.mp4', given);
    const job = await session.post({ text: 'A place', media_url: mediaHost.url('/tagged.mp4') });
    expect(job).toMatchObject({ status: 'published', media: [{ note: 'Metadata was removed.' }] });
    const [tweet] = simulator.state.tweets.visible(session.account.id);
    const media = simulator.state.media.get(tweet?.mediaIds[0] ?? '');
    const kept = await readFile(media?.path ?? '');
    expect([kept.length, kept.includes('48.8577')]).toEqual([given.length, false]);
    const requests = simulator.state.requests.all.slice(before);
    expect(requests.filter(({ endpoint }) => endpoint.endsWith('/initialize'))).toHaveLength(1);
  });

  it('whose download breaks off is uploaded anew, and arrives whole', async () => {
    const { simulator, mediaHost } = system;
    const session = await system.connect('sandbox_ben');
    let asked = 0;
    mediaHost.pages.set('/broken.mp4', (_request, response) => {
      asked++;
      response.writeHead(200, { 'content-length': video.length });
      if (asked > 1) return response.end(video);
      response.write(video.subarray(0, Math.ceil(video.length / 2)), () => response.destroy());
    });
    const job = await session.post({ text: 'Another video', media_url: mediaHost.url('/broken.mp4') });
    expect(job.status).toBe('published');
    const [tweet] = simulator.state.tweets.visible(session.account.id);
    const media = simulator.state.media.get(tweet?.mediaIds[0] ?? '');
    expect(sha256(await readFile(media?.path ?? ''))).toBe(sha256(video));
  });
});

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
