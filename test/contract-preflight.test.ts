import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quickTimings } from './quick-timings.ts';
import { type Session, type System, startSystem } from './system.ts';

interface Remark {
  readonly code: string;
  readonly field: string | null;
  readonly message: string;
}
interface Verdict {
  readonly valid: boolean;
  readonly weighted_length: number;
  readonly max_weighted_length: number;
  readonly problems: readonly Remark[];
  readonly warnings: readonly Remark[];
  readonly estimated_cost_usd: number;
}
interface Refusal {
  readonly code: string;
  readonly errors?: readonly { readonly field: string }[];
}

let system: System;
beforeAll(async () => {
  system = await startSystem({ timings: quickTimings, environment: { MAX_OPEN_JOBS: '3' } });
});
afterAll(() => system[Symbol.asyncDispose]());

const validate = (session: Session, body: object) =>
  session.request<Verdict>('POST', '/validateTweet', body).then((answer) => answer.body);
const refuse = async (session: Session, body: object) =>
  (await session.request<Refusal>('POST', '/postTweet', body)).body;
const places = (remarks: readonly Remark[]) => remarks.map(({ code, field }) => [code, field]);

describe('POST /validateTweet', () => {
  it('counts as X does, with the emoji of today', async () => {
    const session = await system.connect('sandbox_ada');
    for (const [text, length] of [
      ['Hello, world! 👋', 16],
      ['🐦‍🔥', 2],
      ['👩🏽‍🚀🫩', 4],
      ['…', 2],
      ['漢字', 4],
      ['https://example.com/a/very/long/path?with=a&query', 23],
    ] as const)
      expect([text, (await validate(session, { text })).weighted_length]).toEqual([text, length]);
    expect(await validate(session, { text: '🐦‍🔥'.repeat(140) })).toMatchObject({ valid: true });
    expect(await validate(session, { text: '🐦‍🔥'.repeat(141) })).toMatchObject({ valid: false });
    expect((await validate(await system.connect('sandbox_cleo'), { text: 'a' })).max_weighted_length).toBe(
      25_000,
    );
  });

  it('tells the price, and that of each link', async () => {
    const session = await system.connect('sandbox_ada');
    expect(await validate(session, { text: 'Plain' })).toEqual({
      valid: true,
      weighted_length: 5,
      max_weighted_length: 280,
      problems: [],
      warnings: [],
      estimated_cost_usd: 0.015,
    });
    const linked = await validate(session, {
      text: 'Plain',
      thread: [{ text: 'example.com' }, { text: 'Plain' }],
    });
    expect(linked.estimated_cost_usd).toBe(0.23);
    expect(places(linked.warnings)).toEqual([['link_price', 'thread[0].text']]);
    expect(linked.warnings[0]?.message).toContain('$0.20');
  });

  it('warns of what X refuses most apps, and refuses nothing that X may take', async () => {
    const session = await system.connect('sandbox_ada');
    const verdict = await validate(session, {
      text: 'Hm',
      reply_to_tweet_id: '1',
      quote_tweet_id: '2',
      reply_settings: 'subscribers',
    });
    expect(verdict.valid).toBe(true);
    expect(places(verdict.warnings)).toEqual([
      ['reply_rule', 'reply_to_tweet_id'],
      ['quote_rule', 'quote_tweet_id'],
      ['subscribers_rule', 'reply_settings'],
    ]);
  });

  it('warns of files that a post has no room for', async () => {
    const session = await system.connect('sandbox_ada');
    const file = { id: 'f', download_link: 'https://files.example.com/f' };
    const headers = { authorization: `Bearer ${session.accessToken}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ text: 'Six', openaiFileIdRefs: Array(6).fill(file) });
    const answer = await fetch(`${system.url}/validateTweet`, { method: 'POST', headers, body });
    const verdict = (await answer.json()) as Verdict;
    expect(verdict.valid).toBe(true);
    expect(places(verdict.warnings)).toEqual([['unused_files', 'openaiFileIdRefs']]);
    expect(verdict.warnings[0]?.message).toContain('the last 2 would');
    const five = await validate(session, { text: 'Five', openaiFileIdRefs: Array(5).fill(file) });
    expect(five.warnings[0]?.message).toContain('the last one would');
  });

  it('warns of media at an address that is never opened', async () => {
    const session = await system.connect('sandbox_ada');
    const closed = [
      'http://10.0.0.1/a',
      'http://example.com/',
      'https://localhost/a',
      'https://a:b@host.example/',
    ];
    const warningsOf = async (body: object) => (await validate(session, { text: 'Look', ...body })).warnings;
    for (const media_url of closed) {
      const warnings = await warningsOf({ media_url });
      expect(places(warnings), media_url).toEqual([['media_url_forbidden', 'media_url']]);
      expect(warnings[0]?.message).toContain('public https address');
    }
    const file = { download_link: 'https://127.0.0.1/f' };
    expect(places(await warningsOf({ openaiFileIdRefs: [file] }))).toEqual([
      ['media_url_forbidden', 'openaiFileIdRefs[0].download_link'],
    ]);
    expect(
      places(await warningsOf({ thread: [{ media_urls: ['https://example.com/', system.url] }] })),
    ).toEqual([['media_url_forbidden', 'thread[0].media_urls[1]']]);
    expect(await warningsOf({ media_url: 'https://example.com/a' })).toEqual([]);
    expect(await warningsOf({ media_url: system.mediaHost.url('/trusted.png') })).toEqual([]);
  });

  it('queues nothing', async () => {
    const session = await system.connect('sandbox_ben');
    await validate(session, { text: 'Only asking', media_url: system.mediaHost.url('/never.png') });
    const { body } = await session.request<{ jobs: unknown[] }>('GET', '/jobs');
    expect(body.jobs).toEqual([]);
    expect(system.mediaHost.requests).not.toContain('/never.png');
  });

  it('says everything for which postTweet would refuse the post', async () => {
    const session = await system.connect('sandbox_ada');
    const body = {
      text: '$ONE and $TWO',
      media_url: 'ftp://example.com/a.png',
      alt_texts: ['One', 'Two'],
      thread: [{ text: 'Fine' }, { text: '漢'.repeat(141) }, {}],
      poll: { options: ['Same', 'Same', ''], duration_minutes: 4 },
      reply_to_tweet_id: 'https://x.com/a/status/1',
      reply_settings: 'nobody',
      publish_at: '2020-01-01T00:00:00Z',
      expires_at: 'tomorrow',
      request_id: '',
    };
    const refused = await refuse(session, body);
    expect(refused.code).toBe('validation_failed');
    const fields = refused.errors?.map(({ field }) => field);
    expect(new Set(fields)).toEqual(
      new Set([
        ...['text', 'media_url', 'alt_texts', 'thread[1].text', 'thread[2].text', 'poll', 'poll.options'],
        ...['poll.options[2]', 'poll.duration_minutes', 'reply_to_tweet_id', 'reply_settings'],
        ...['publish_at', 'expires_at', 'request_id'],
      ]),
    );
    // Judged although openapi.yaml does not have it: telling what is wrong is what this is for.
    const headers = { authorization: `Bearer ${session.accessToken}`, 'content-type': 'application/json' };
    const asked = { method: 'POST', headers, body: JSON.stringify(body) };
    const verdict = (await (await fetch(`${system.url}/validateTweet`, asked)).json()) as Verdict;
    expect(verdict.valid).toBe(false);
    expect(verdict.problems.map(({ field }) => field)).toEqual(fields);
    const malformed = await refuse(session, {
      text: 7,
      colour: 'red',
      thread: [{ poll: {} }],
      wait_seconds: 50,
    });
    expect(malformed.code).toBe('bad_request');
    expect(new Set(malformed.errors?.map(({ field }) => field))).toEqual(
      new Set(['text', 'colour', 'thread[0].poll', 'thread[0].text', 'wait_seconds']),
    );
  });

  it('names each wrong field, those that were sent, and nothing that is not wrong', async () => {
    const session = await system.connect('sandbox_ada');
    const fieldsOf = async (body: unknown) => {
      for (const path of ['/postTweet', '/validateTweet']) {
        const { status, body: refusal } = await session.request<Refusal>('POST', path, body);
        if (path === '/postTweet' || status === 400) answers.push(refusal.errors?.map(({ field }) => field));
      }
      return answers.splice(0);
    };
    const answers: unknown[] = [];
    const twice = (fields: readonly string[]) => [fields, fields];
    const poll = { options: ['a', 'x'.repeat(26)], duration_minutes: 5.5, z: 1 };
    expect(await fieldsOf({ text: 'x', poll })).toEqual(
      twice(['poll.duration_minutes', 'poll.z', 'poll.options[1]']),
    );
    expect(await fieldsOf({ text: 5 })).toEqual(twice(['text']));
    for (const body of [[], null, 'x']) expect(await fieldsOf(body)).toEqual(twice(['body']));
    expect(await fieldsOf({ text: 'a', thread: [null, { text: 5 }] })).toEqual(
      twice(['thread[0]', 'thread[1].text']),
    );
    const file = { id: 'f', download_link: 'https://files.example/f' };
    const five = { media_url: 'https://files.example/a', openaiFileIdRefs: [file, file, file, file] };
    expect(await fieldsOf(five)).toEqual([['openaiFileIdRefs']]);
  });

  it('names every wrong field of a long thread', async () => {
    const session = await system.connect('sandbox_ada');
    const thread = Array.from({ length: 25 }, () => ({
      text: 'x'.repeat(281),
      media_urls: ['ftp://example.com/a'],
      alt_texts: ['One', 'Two'],
    }));
    const { errors = [] } = await refuse(session, { text: 'Fine', thread });
    const expected = thread.flatMap((_, index) =>
      ['text', 'media_urls[0]', 'alt_texts'].map((field) => `thread[${index}].${field}`),
    );
    expect(errors.map(({ field }) => field).toSorted()).toEqual(expected.toSorted());
    const unknown = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`field_${index}`, 1]));
    const flooded = await session.request<Refusal>('POST', '/postTweet', unknown);
    expect(flooded.status).toBe(400);
    expect(JSON.stringify(flooded.body).length).toBeLessThan(100_000);
    const headers = { authorization: `Bearer ${session.accessToken}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ media_urls: Array(20_000).fill('x') });
    const judged = await fetch(`${system.url}/validateTweet`, { method: 'POST', headers, body });
    expect(judged.status).toBe(200);
    expect((await judged.text()).length).toBeLessThan(100_000);
  });

  it('says which right the account lacks, and that too much is in work', async () => {
    system.simulator.state.settings.withheldScopes = ['media.write'];
    const session = await system.connect('sandbox_ben').finally(() => {
      system.simulator.state.settings.withheldScopes = [];
    });
    const picture = { text: 'Look', media_url: system.mediaHost.url('/a.png') };
    expect(await refuse(session, picture)).toMatchObject({ code: 'missing_scope' });
    for (let count = 0; count < 3; count++)
      await session.request('POST', '/postTweet', {
        text: `${count}`,
        publish_at: new Date(Date.now() + 3_600_000).toISOString(),
      });
    expect(places((await validate(session, picture)).problems)).toEqual([
      ['missing_scope', null],
      ['too_many_open_jobs', null],
    ]);
    const refused = await session.request<Refusal>('POST', '/postTweet', { text: 'One more' });
    expect(refused).toMatchObject({
      status: 429,
      body: { code: 'too_many_open_jobs', detail: expect.stringMatching(/^3 posts .* or scheduled\./) },
    });
    expect(refused.headers.get('retry-after')).toBe('30');
  });
});
