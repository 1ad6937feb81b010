import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import sharp from 'sharp';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createRawClient, pick, type RawClient } from './raw-client.ts';
import { type Simulator, startSimulator } from './simulator.ts';

const now = Date.UTC(2026, 10, 21);
let simulator: Simulator;
let ada: RawClient;

beforeEach(async () => {
  simulator = await startSimulator({ now: () => now });
  ada = createRawClient(simulator.url, simulator.signIn().access_token);
});
afterEach(async () => {
  expect(simulator.state.bugs).toEqual([]);
  await simulator[Symbol.asyncDispose]();
});

const png = () =>
  sharp({ create: { width: 16, height: 9, channels: 3, background: '#246' } })
    .png()
    .toBuffer();
const ftyp = Buffer.from('000000146674797069736f6d0000020069736f6d', 'hex');
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

async function initialize(bytes: number, mediaType = 'image/png', category = 'tweet_image'): Promise<string> {
  const body = { media_type: mediaType, media_category: category, total_bytes: bytes };
  const { json } = await ada.post('/2/media/upload/initialize', body);
  return String(pick(json, 'data', 'id'));
}

const append = (id: string, index: number, bytes: Buffer) =>
  ada.post(`/2/media/upload/${id}/append`, { segment_index: index, media: bytes.toString('base64') });
const finalize = (id: string) => ada.post(`/2/media/upload/${id}/finalize`, {});
const status = (id: string) => ada.get(`/2/media/upload?media_id=${id}&command=STATUS`);
const message = (json: unknown) => pick(json, 'errors', 0, 'message');

test('INITIALIZE answers id, key and lifetime, and refuses what X refuses', async () => {
  const request = { media_type: 'image/png', media_category: 'tweet_image', total_bytes: 10 };
  const send = (change: object) => ada.post('/2/media/upload/initialize', { ...request, ...change });
  const { json } = await send({});
  const id = pick(json, 'data', 'id');
  expect(json).toEqual({ data: { id, media_key: `3_${id}`, expires_after_secs: 86_400 } });
  expect(message((await send({ name: 'x' })).json)).toContain('$.name: is not defined in the schema');
  expect(message((await send({ media_type: 'image/svg+xml' })).json)).toContain('enumeration');
  expect(message((await send({ media_category: 'tweet_video' })).json)).toContain('does not fit');
  expect(message((await send({ total_bytes: 5_242_881 })).json)).toBe('File size exceeds 5242880 bytes.');
  expect(message((await send({ total_bytes: undefined })).json)).toBe(
    '$.total_bytes: is missing but it is required',
  );
  const withoutScope = simulator.signIn('sandbox_ada', { scope: ['tweet.write'] });
  const other = createRawClient(simulator.url, withoutScope.access_token);
  expect((await other.post('/2/media/upload/initialize', request)).status).toBe(403);
});

test('segments are put together byte by byte, repeated ones included', async () => {
  const bytes = Buffer.concat([ftyp, randomBytes(70_000)]);
  const id = await initialize(bytes.length, 'video/mp4', 'tweet_video');
  await append(id, 0, randomBytes(30_000));
  await append(id, 1, bytes.subarray(30_000, 60_000));
  await append(id, 0, bytes.subarray(0, 30_000));
  const multipart = new FormData();
  multipart.set('segment_index', '2');
  multipart.set('media', new Blob([bytes.subarray(60_000)]));
  const last = await ada.post(`/2/media/upload/${id}/append`, multipart);
  expect(last).toMatchObject({
    status: 200,
    json: { data: { expires_at: Math.floor((now + 86_400_000) / 1000) } },
  });
  expect((await finalize(id)).status).toBe(200);
  const media = simulator.state.media.get(id) ?? expect.fail();
  expect(media.sha256).toBe(sha256(bytes));
  expect(await simulator.state.media.read(media)).toEqual(bytes);
  const served = await fetch(`${simulator.url}/media/${id}`);
  expect(Buffer.from(await served.arrayBuffer())).toEqual(bytes);
  const range = await fetch(`${simulator.url}/media/${id}`, { headers: { range: 'bytes=100-199' } });
  expect(Buffer.from(await range.arrayBuffer())).toEqual(bytes.subarray(100, 200));
});

test('a segment repeated with another length takes the place of the first', async () => {
  const bytes = await png();
  const id = await initialize(bytes.length);
  await append(id, 0, bytes.subarray(0, 10));
  await append(id, 1, bytes.subarray(20));
  await append(id, 0, bytes.subarray(0, 20));
  expect((await finalize(id)).status).toBe(200);
  expect(simulator.state.media.get(id)?.sha256).toBe(sha256(bytes));
});

test('in any order, where that is switched on', async () => {
  simulator.state.settings.segmentsInOrder = false;
  const bytes = await png();
  const id = await initialize(bytes.length);
  for (const index of [2, 0, 1])
    await append(id, index, bytes.subarray(index * 20, index === 2 ? undefined : (index + 1) * 20));
  await finalize(id);
  expect(simulator.state.media.get(id)?.sha256).toBe(sha256(bytes));
});

test('APPEND refuses wrong indexes, gaps, unknown fields, foreign ids and segments too large', async () => {
  const id = await initialize(100);
  expect(message((await append(id, 1000, Buffer.alloc(1))).json)).toBe(
    'SegmentIndex must be between 0 and 999.',
  );
  expect((await append(id, 1, Buffer.alloc(1))).status).toBe(400);
  const path = `/2/media/upload/${id}/append`;
  expect((await ada.post(path, { segment_index: 0, media: 'AA==', note: 1 })).status).toBe(400);
  expect((await ada.post(path, { segment_index: 0, media: '*' })).status).toBe(400);
  expect((await ada.post(path, { segment_index: 0 })).status).toBe(400);
  expect((await ada.post(path, 'x', { 'content-type': 'multipart/form-data; boundary=b' })).status).toBe(400);
  simulator.state.settings.appendMultipart = false;
  const form = new FormData();
  form.set('segment_index', '0');
  form.set('media', new Blob(['x']));
  expect((await ada.post(path, form)).status).toBe(400);
  const large = await append(id, 0, Buffer.alloc(4 * 1024 * 1024 + 1));
  expect([large.status, large.text]).toEqual([413, '']);
  const huge = await append(id, 0, Buffer.alloc(8 * 1024 * 1024));
  expect([huge.status, huge.text]).toEqual([413, '']);
  expect((await append(id, 0, Buffer.alloc(4 * 1024 * 1024))).status).toBe(200);
  const ben = createRawClient(simulator.url, simulator.signIn('sandbox_ben').access_token);
  const foreign = await ben.post(path, { segment_index: 0, media: 'AA==' });
  expect([foreign.status, message(foreign.json)]).toEqual([400, 'BadRequest: Not found']);
});

test('FINALIZE wants every byte, and bytes that are what was announced', async () => {
  const bytes = await png();
  const short = await initialize(bytes.length + 1);
  await append(short, 0, bytes);
  expect(message((await finalize(short)).json)).toBe('Segments do not add up to provided total file size');
  const jpeg = await initialize(bytes.length, 'image/jpeg');
  await append(jpeg, 0, bytes);
  const mismatch = await finalize(jpeg);
  expect([mismatch.status, mismatch.text]).toEqual([400, 'media type unrecognized']);
  const id = await initialize(bytes.length);
  await append(id, 0, bytes);
  const done = {
    id,
    media_key: `3_${id}`,
    size: bytes.length,
    expires_after_secs: 86_400,
    image: { image_type: 'image/png', w: 16, h: 9 },
  };
  expect((await finalize(id)).json).toEqual({ data: done });
  expect((await ada.post(`/2/media/upload/${id}/finalize`)).json).toEqual({ data: done });
  expect(message((await append(id, 0, bytes)).json)).toContain('already finalized');
  expect(message((await status(id)).json)).toBe('BadRequest: Not found');
  simulator.state.settings.refuseEmptyFinalize = true;
  expect((await ada.post(`/2/media/upload/${id}/finalize`)).status).toBe(400);
});

test('images go up at once too, and alt text may be set before the post', async () => {
  const image = await png();
  const body = { media: image.toString('base64'), media_category: 'tweet_image' };
  const { status: code, json } = await ada.post('/2/media/upload', body);
  const id = String(pick(json, 'data', 'id'));
  expect([code, pick(json, 'data', 'image')]).toEqual([200, { image_type: 'image/png', w: 16, h: 9 }]);
  expect((await ada.post('/2/media/upload', { ...body, command: 'INIT' })).status).toBe(400);
  const metadata = { alt_text: { text: 'Blue' } };
  expect((await ada.post('/2/media/metadata', { id, metadata })).json).toEqual({
    data: { id, associated_metadata: metadata },
  });
  expect(
    (await ada.post('/2/media/metadata', { id, metadata: { alt_text: { text: 'x'.repeat(1001) } } })).status,
  ).toBe(400);
  expect((await ada.post('/2/media/metadata', { id: '1', metadata })).status).toBe(400);
  expect(simulator.state.media.get(id)?.altText).toBe('Blue');
});

test('the bytes lie on disk and are gone afterwards', async () => {
  const id = await ada.upload(await png(), { mediaType: 'image/png', category: 'tweet_image' });
  const path = simulator.state.media.get(id)?.path ?? '';
  expect(existsSync(path)).toBe(true);
  await simulator.reset();
  expect(existsSync(path)).toBe(false);
});
