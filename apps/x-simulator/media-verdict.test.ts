import { randomBytes } from 'node:crypto';
import sharp from 'sharp';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createRawClient, pick, type RawClient } from './raw-client.ts';
import { type Simulator, startSimulator } from './simulator.ts';

let now = Date.UTC(2026, 10, 21);
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

function box(name: string, body: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(body.length + 8);
  header.write(name, 4, 'latin1');
  return Buffer.concat([header, body]);
}

/** The smallest file that says of itself to be a video of so many seconds. */
function mp4(seconds: number): Buffer {
  const mvhd = Buffer.alloc(100);
  mvhd.writeUInt32BE(1_000, 12);
  mvhd.writeUInt32BE(seconds * 1_000, 16);
  return Buffer.concat([ftyp, box('mdat', randomBytes(5_000)), box('moov', box('mvhd', mvhd))]);
}

const status = (id: string) => ada.get(`/2/media/upload?media_id=${id}&command=STATUS`);
const post = (...ids: string[]) => ada.post('/2/tweets', { media: { media_ids: ids } });
const message = (json: unknown) => pick(json, 'errors', 0, 'message');

test('a video is pending, in progress, succeeded, and may be posted only then', async () => {
  const id = await ada.upload(mp4(30), { mediaType: 'video/mp4', category: 'tweet_video' });
  expect(message((await post(id)).json)).toBe('Your media IDs are invalid.');
  const states = [];
  for (let poll = 0; poll < 2; poll++) states.push(pick((await status(id)).json, 'data', 'processing_info'));
  expect(states).toEqual([
    { state: 'in_progress', check_after_secs: 1, progress_percent: 50 },
    { state: 'succeeded', progress_percent: 100 },
  ]);
  expect(simulator.state.media.get(id)).toMatchObject({ polls: 2, earlyPolls: 2 });
  simulator.state.settings.mediaLagMs = 3_000;
  expect((await post(id)).status).toBe(400);
  now += 3_000;
  expect((await post(id)).status).toBe(201);
});

test.each([
  ['with an error', { code: 1, name: 'InvalidMedia', message: 'Unsupported video format' }],
  ['without an error', null],
])('processing may fail %s', async (_name, error) => {
  simulator.state.settings.processing = { checkAfterSecs: null, polls: 1, outcome: 'failed', error };
  const id = await ada.upload(mp4(30), { mediaType: 'video/mp4', category: 'tweet_video' });
  const info = pick((await status(id)).json, 'data', 'processing_info');
  expect(info).toEqual({ state: 'failed', ...(error ? { error } : {}) });
  expect((await post(id)).status).toBe(400);
});

test('what is no video and what is too long fails in processing or at the post', async () => {
  const noVideo = await ada.upload(randomBytes(500), { mediaType: 'video/mp4', category: 'tweet_video' });
  expect(pick((await status(noVideo)).json, 'data', 'processing_info', 'error', 'name')).toBe('InvalidMedia');
  const long = await ada.upload(mp4(141), { mediaType: 'video/mp4', category: 'tweet_video' });
  expect(pick((await status(long)).json, 'data', 'processing_info', 'error')).toEqual({
    code: 3,
    name: 'UnsupportedMedia',
    message: 'Duration exceeds max duration of 2.minutes+20.seconds',
  });
  Object.assign(simulator.state.settings, { maxVideoSeconds: 1_200, processing: { polls: 0 } });
  const refused = await post(await ada.upload(mp4(141), { mediaType: 'video/mp4', category: 'tweet_video' }));
  expect(refused).toMatchObject({
    status: 403,
    json: { detail: 'This user is not allowed to post a video longer than 2 minutes.' },
  });
});

test('four images or one GIF or one video, each for its owner and 24 hours', async () => {
  simulator.state.settings.processing = { checkAfterSecs: null, polls: 0, outcome: 'succeeded', error: null };
  const image = await png();
  const gif = await sharp(image).gif().toBuffer();
  const images: string[] = [];
  for (let count = 0; count < 5; count++)
    images.push(await ada.upload(image, { mediaType: 'image/png', category: 'tweet_image' }));
  const [first = '', second = ''] = images;
  const animation = await ada.upload(gif, { mediaType: 'image/gif', category: 'tweet_gif' });
  const direct = await ada.upload(image, { mediaType: 'image/png', category: 'dm_image' });
  expect((await post(...images.slice(0, 4))).status).toBe(201);
  expect((await post(...images)).status).toBe(400);
  expect((await post(animation)).status).toBe(201);
  for (const ids of [[first, animation], [animation, animation], [first, first], [direct]])
    expect(message((await post(...ids)).json)).toBe('Your media IDs are invalid.');
  const ben = createRawClient(simulator.url, simulator.signIn('sandbox_ben').access_token);
  expect((await ben.post('/2/tweets', { media: { media_ids: [second] } })).status).toBe(400);
  now += 86_400_000;
  ada = createRawClient(simulator.url, simulator.signIn().access_token);
  expect((await post(second)).status).toBe(400);
});

test('a GIF beyond what X animates fails in processing', async () => {
  const frames = (count: number, width: number, height: number) => {
    const canvas = Buffer.from('GIF89a\0\0\0\0\0\0\0', 'latin1');
    canvas.writeUInt16LE(width, 6);
    canvas.writeUInt16LE(height, 8);
    const frame = Buffer.from('2c000000000100010080000000ffffff02024401' + '00', 'hex');
    return Buffer.concat([canvas, ...Array.from({ length: count }, () => frame), Buffer.from(';')]);
  };
  const outcome = async (gif: Buffer) => {
    const id = await ada.upload(gif, { mediaType: 'image/gif', category: 'tweet_gif' });
    return pick((await status(id)).json, 'data', 'processing_info', 'state');
  };
  expect(await outcome(frames(350, 100, 100))).toBe('in_progress');
  expect(await outcome(frames(351, 100, 100))).toBe('failed');
  expect(await outcome(frames(2, 1_281, 100))).toBe('failed');
  expect(await outcome(frames(300, 1_280, 1_080))).toBe('failed');
  expect(await outcome(frames(2, 100, 100).subarray(0, -1))).toBe('failed');
});
