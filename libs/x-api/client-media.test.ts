import { expect, test } from 'vitest';
import { failure } from '../../test/failure.ts';
import { XUnreachableError } from './errors.ts';
import { type Answer, startX } from './test-x.ts';

test.each([200, 202])('INITIALIZE names the media, answered with %i', async (status) => {
  await using s = await startX({
    status,
    body: { data: { id: '9', media_key: '7_9', expires_after_secs: 60 } },
  });
  const media = { mediaType: 'video/mp4', mediaCategory: 'tweet_video', totalBytes: 12 } as const;
  expect(await s.x.initializeUpload(media, s.call)).toEqual({
    mediaId: '9',
    mediaKey: '7_9',
    expiresAt: 1_060_000,
  });
  expect(s.seen[0]?.line).toBe('POST /2/media/upload/initialize');
  expect(JSON.parse(s.seen[0]?.body ?? '')).toEqual({
    media_type: 'video/mp4',
    total_bytes: 12,
    media_category: 'tweet_video',
  });
});

test('INITIALIZE needs no more than an id, and no less', async () => {
  await using s = await startX({ body: { data: { id: '9' } } }, { body: { data: {} } });
  const media = { mediaType: 'image/png', mediaCategory: 'tweet_image', totalBytes: 12 } as const;
  expect(await s.x.initializeUpload(media, s.call)).toEqual({
    mediaId: '9',
    mediaKey: null,
    expiresAt: null,
  });
  expect(await failure(s.x.initializeUpload(media, s.call))).toBeInstanceOf(XUnreachableError);
});

test.each<Answer>([{ status: 204 }, { body: { data: { expires_at: 5 } } }])(
  'APPEND sends the segment as multipart, answered with %j',
  async (answer) => {
    await using s = await startX(answer);
    const bytes = Uint8Array.from([0, 13, 10, 255, 45, 45]);
    await s.x.appendSegment('9', 3, bytes, s.call);
    const [{ line, headers, body } = expect.fail()] = s.seen;
    expect(line).toBe('POST /2/media/upload/9/append');
    const boundary = /^multipart\/form-data; boundary=(\S+)$/.exec(headers['content-type'] ?? '')?.[1];
    expect(headers['content-length']).toBe(String(body.length));
    expect(headers['transfer-encoding']).toBeUndefined();
    expect(body.split('\r\n')).toEqual([
      `--${boundary}`,
      'Content-Disposition: form-data; name="segment_index"',
      '',
      '3',
      `--${boundary}`,
      'Content-Disposition: form-data; name="media"; filename="segment"',
      'Content-Type: application/octet-stream',
      '',
      '\0',
      '\xff--',
      `--${boundary}--`,
      '',
    ]);
  },
);

test('FINALIZE sends an empty object; without processing_info the media is ready', async () => {
  await using s = await startX({
    status: 201,
    body: { data: { id: '9', media_key: '3_9', expires_after_secs: 86_400 } },
  });
  expect(await s.x.finalizeUpload('9', s.call)).toEqual({
    mediaId: '9',
    mediaKey: '3_9',
    expiresAt: 1_000_000 + 86_400_000,
    processing: null,
  });
  expect(s.seen[0]).toMatchObject({ line: 'POST /2/media/upload/9/finalize', body: '{}' });
});

test.each<[string, object, object]>([
  [
    'pending',
    { state: 'pending', check_after_secs: 2 },
    { state: 'pending', checkAfterMs: 2000, error: null },
  ],
  [
    'in progress',
    { state: 'in_progress', progress_percent: 42 },
    { state: 'in_progress', checkAfterMs: null, progressPercent: 42 },
  ],
  ['succeeded', { state: 'succeeded' }, { state: 'succeeded', error: null }],
  [
    'failed with a reason',
    { state: 'failed', error: { code: 1, name: 'InvalidMedia', message: 'Unsupported video format' } },
    { state: 'failed', error: 'Unsupported video format' },
  ],
  ['failed without a reason', { state: 'failed' }, { state: 'failed', error: null }],
  ['failed with a name', { state: 'failed', error: { name: 'InvalidMedia' } }, { error: 'InvalidMedia' }],
  ['an error as text', { state: 'in_progress', error: 'broken' }, { state: 'in_progress', error: 'broken' }],
  ['a new state', { state: 'dreaming' }, { state: 'in_progress' }],
])('STATUS %s is understood', async (_name, processing_info, expected) => {
  await using s = await startX({ body: { data: { id: '9', processing_info } } });
  expect((await s.x.mediaStatus('9', s.call)).processing).toMatchObject(expected);
  expect(s.seen[0]?.line).toBe('GET /2/media/upload?command=STATUS&media_id=9');
});

test('alt text goes to the metadata endpoint', async () => {
  await using s = await startX({ body: { data: { id: '9' } } });
  await s.x.setAltText('9', 'a cat', s.call);
  expect(s.seen[0]?.line).toBe('POST /2/media/metadata');
  expect(JSON.parse(s.seen[0]?.body ?? '')).toEqual({ id: '9', metadata: { alt_text: { text: 'a cat' } } });
});
