import { describe, expect, it } from 'vitest';
import { type Job, type JobState, jobStates, type MediaItem, newItem } from './job.ts';
import { parseJob } from './job-record.ts';
import { renderJob } from './job-view.ts';
import { orderOf } from './test-order.ts';

const now = Date.UTC(2026, 0, 1);
const job = (given: Partial<Job> = {}): Job => ({
  ...parseJob({
    ...{
      id: 'j',
      account: '7',
      username: 'ada',
      client: 'c',
      state: 'accepted',
      order: '',
      fingerprint: 'f',
    },
    ...{ accepted_at: String(now), updated_at: String(now), sequence: '1' },
  }),
  ...given,
});
const view = (given: Partial<Job>, text?: string) =>
  renderJob(job(given), orderOf(text), { publicUrl: 'https://post.example', now });
const item = (given: Partial<MediaItem>): MediaItem => ({ ...newItem, ...given });

describe('the job object', () => {
  it.each([
    ['queued', {}],
    ['queued', { state: 'ready' }],
    ['scheduled', { publishAt: now + 1000 }],
    ['waiting', { state: 'ready', notBefore: now + 1000, waitReason: 'limit' }],
    ['processing', { state: 'sending' }],
    ['processing', { media: [item({ stage: 'fetching' })], owner: 'w' }],
    ['confirming', { state: 'confirming' }],
    ['published', { state: 'published' }],
    ['failed', { state: 'failed' }],
    ['canceled', { state: 'canceled' }],
    ['unconfirmed', { state: 'unconfirmed' }],
  ] as const)('has the status %s for %j', (status, given) => {
    expect(view(given).status).toBe(status);
  });

  it('says when to look again, until the job has ended', () => {
    const ended: readonly JobState[] = ['published', 'failed', 'canceled', 'unconfirmed'];
    for (const state of jobStates)
      expect(view({ state }).next_check_seconds === null).toBe(ended.includes(state));
  });

  it('says until when it waits, and why', () => {
    const waiting = view({ state: 'ready', notBefore: now + 90_000, waitReason: 'credits' });
    expect(waiting.retry_at).toBe(new Date(now + 90_000).toISOString());
    expect(waiting.next_check_seconds).toBe(60);
    expect(waiting.message).toMatch(/credits/);
  });

  it('tells times as people do, and who has to do what', () => {
    const at = (ms: number) => ({ state: 'ready', notBefore: now + ms, waitReason: 'limit' }) as const;
    expect(view({ publishAt: Date.UTC(2026, 10, 22, 9) }).message).toBe(
      'The post is scheduled for 22 November 2026, 09:00 UTC.',
    );
    expect(view({ publishAt: Date.UTC(2026, 10, 22, 9, 0, 7, 90) }).message).toContain(', 09:00:07 UTC.');
    const limited = 'X limits how much this account may do right now. The post will be tried again';
    expect(view(at(15 * 60_000)).message).toBe(`${limited} at 00:15 UTC; nothing needs to be done.`);
    expect(view(at(90_001)).message).toContain('at 00:02 UTC;');
    expect(view(at(40_000)).message).toBe(`${limited} in a moment; nothing needs to be done.`);
    expect(view(at(25 * 3_600_000)).message).toContain('on 2 January 2026, 01:00 UTC;');
    expect(view({ ...at(15 * 60_000), waitReason: 'credits' }).message).toBe(
      'The X app has run out of credits. Its operator has to add some at X, or the post fails in the end; it will be tried again at 00:15 UTC.',
    );
  });

  it('says of a wait what becomes of a post that expires', () => {
    const wait = { state: 'ready', notBefore: now + 15 * 60_000, waitReason: 'limit' } as const;
    const limited = 'X limits how much this account may do right now. The post';
    expect(view({ ...wait, expiresAt: now + 25 * 3_600_000 }).message).toBe(
      `${limited} will be tried again at 00:15 UTC; nothing needs to be done. If that is not possible before it expires on 2 January 2026, 01:00 UTC, it will not be posted.`,
    );
    expect(view({ ...wait, expiresAt: now + 15 * 60_000 }).message).toBe(
      `${limited} expires at 00:15 UTC, before it can be tried again: it will not be posted.`,
    );
    const half = { ...wait, tweets: [{ id: '11', publishedAt: now }] };
    expect(view({ ...half, expiresAt: now + 15 * 60_000 }).message).toContain(
      ': the rest of the thread will not be posted.',
    );
    expect(view({ ...half, expiresAt: now + 16 * 60_000 }).message).toContain(
      'before it expires at 00:16 UTC, the rest of the thread will not be posted.',
    );
  });

  it('tells a failure in sentences', () => {
    const failed = (detail: string) =>
      view({ state: 'failed', error: { code: 'rejected_by_x', detail } }).message;
    expect(failed('X refused the post: Not allowed')).toBe(
      'The post failed. X refused the post: Not allowed. Nothing was posted.',
    );
    expect(failed('X could not be reached for a long time.')).toBe(
      'The post failed. X could not be reached for a long time. Nothing was posted.',
    );
  });

  it('says of a thread that failed half way how to go on, and not to post it again', () => {
    const error = { code: 'x_unavailable', detail: 'X could not be reached.' } as const;
    const live = (...ids: (string | null)[]) => ({ tweets: ids.map((id) => ({ id, publishedAt: now })) });
    const failed = { state: 'failed', error } as const;
    expect(view(failed).error).toMatchObject({ detail: error.detail, retryable: true });
    const rest = 'To go on, post only the rest, as a reply to the last live post';
    const half = view({ ...failed, ...live('11', '12') });
    expect(half.error).toMatchObject({
      detail: `X could not be reached. ${rest} (reply_to_tweet_id 12).`,
      retryable: false,
    });
    expect(half.message).toBe(
      `The post failed. X could not be reached. 2 of the thread's posts are live on X, the rest was not posted. ${rest} (reply_to_tweet_id 12).`,
    );
    expect(view({ ...failed, ...live('11', null) }).message).toContain(
      `${rest}, which is on your profile on X.`,
    );
    expect(view({ ...failed, state: 'unconfirmed', ...live('11') }).message).not.toContain('the rest');
  });

  it('tells of a canceled thread what X had taken all the same', () => {
    const canceled = { state: 'canceled', openAttempts: 1 } as const;
    expect(view(canceled).message).toContain('did not show it');
    expect(view({ ...canceled, tweets: [{ id: '11', publishedAt: now }] }).message).toBe(
      "The post was canceled before all of it was sent. 1 of the thread's posts is live on X, the rest was not posted.",
    );
  });

  it('waits for media only when every open item waits', () => {
    const waits = item({ stage: 'uploading', notBefore: now + 1000, waitReason: 'limit' });
    expect(view({ media: [waits, item({ stage: 'ready' })] }).status).toBe('waiting');
    expect(view({ media: [waits, item({ stage: 'fetching' })] })).toMatchObject({
      status: 'processing',
      stage: 'fetching',
    });
  });

  it('stays in work, and goes forward, from the first look at its media to its sending', () => {
    const bytes = { file: 'f', sha256: '', bytes: 1, mediaType: 'image/png' };
    const prepared = { ...bytes, kind: 'image', mediaCategory: 'tweet_image' } as const;
    const ready = item({ stage: 'ready', prepared });
    const steps: [Partial<Job>, string][] = [
      [{ media: [item({ stage: 'fetching' }), item({})] }, 'fetching'],
      [{ media: [item({ fetched: true }), item({})] }, 'preparing'],
      [{ media: [item({ stage: 'preparing' }), item({ fetched: true })] }, 'preparing'],
      [{ media: [item({ prepared }), item({ prepared })] }, 'preparing'],
      [{ media: [item({ stage: 'uploading', prepared }), item({ prepared })] }, 'uploading'],
      [{ media: [item({ stage: 'x_processing', prepared }), item({ prepared })] }, 'uploading'],
      [{ media: [ready, item({ prepared })] }, 'uploading'],
      [{ media: [ready, item({ stage: 'x_processing', prepared })] }, 'x_processing'],
      [{ media: [ready, ready] }, 'posting'],
      [{ state: 'ready', media: [ready, ready] }, 'posting'],
      [{ state: 'sending', media: [ready, ready] }, 'posting'],
    ];
    let before = 0;
    for (const [given, stage] of steps) {
      const shown = view(given);
      expect([shown.status, shown.stage]).toEqual(['processing', stage]);
      expect(shown.progress).toBeGreaterThanOrEqual(before);
      before = shown.progress;
    }
    // Between two posts of a thread, too, and between two attempts.
    expect(view({ state: 'ready', fence: 1 })).toMatchObject({ status: 'processing', stage: 'posting' });
  });

  it('says after a bad end how far it had come', () => {
    const fetching = item({ stage: 'fetching', progress: 80 });
    for (const state of ['failed', 'canceled'] as const) {
      expect(view({ state }).progress).toBe(0);
      expect(view({ state, media: [fetching] }).progress).toBe(20);
      expect(view({ state, fence: 1 }).progress).toBe(95);
    }
    expect(view({ state: 'unconfirmed' }).progress).toBe(95);
  });

  it('names every post of a thread with its address, and no address where X told no id', () => {
    const tweets = [
      { id: '11', publishedAt: now },
      { id: null, publishedAt: now },
    ];
    expect(view({ state: 'failed', tweets }).tweets).toEqual([
      { index: 0, tweet_id: '11', tweet_url: 'https://x.com/ada/status/11' },
      { index: 1, tweet_id: null, tweet_url: null },
    ]);
  });

  it('never says 100 percent before the end, nor less after it', () => {
    const all = item({ stage: 'ready', progress: 100 });
    expect(view({ state: 'sending', media: [all, all] }).progress).toBeLessThan(100);
    expect(view({ state: 'published' }).progress).toBe(100);
  });

  it('of one post is smaller than 4 kB, whatever its texts are', () => {
    const long = (text: string) => text.repeat(25_000 / text.length);
    for (const text of ['x', '💙', '"', '\\', '\u0001', '漢']) {
      const media = Array<MediaItem>(4).fill(
        item({ note: long(text), stage: 'uploading', notBefore: now + 1, waitReason: 'media_host' }),
      );
      const state: Partial<Job> = {
        state: 'failed',
        error: { code: 'rejected_by_x', detail: long(text) },
        media,
        tweets: [{ id: '1'.repeat(19), publishedAt: now }],
      };
      const body = JSON.stringify(view(state, long(text)));
      expect(Buffer.byteLength(body), JSON.stringify(text)).toBeLessThan(4096);
    }
  });
});
