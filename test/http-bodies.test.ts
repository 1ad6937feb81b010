import { describe, expect, it } from 'vitest';
import { useOwnSystem } from './own-system.ts';
import { posting as postingOf, securityHeaders, send as sendTo } from './raw-http.ts';

const system = await useOwnSystem({ workers: 0, environment: { PUBLIC_URL: 'https://posts.example.com' } });
const session = await system.connect();

const send = (bytes: string | Buffer, options = {}) => sendTo(system.url, bytes, options);
const posting = (lines: readonly string[], body: string) => postingOf(session.accessToken, lines, body);

/** The same body as any client sends it. */
async function post(body: string, headers: Record<string, string> = {}, path = '/postTweet') {
  const answer = await fetch(system.url + path, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${session.accessToken}`,
      'content-type': 'application/json',
      ...headers,
    },
    body,
  });
  return { status: answer.status, body: (await answer.json()) as { code: string } };
}

const jobCount = async () =>
  (await session.request<{ jobs: unknown[] }>('GET', '/jobs?limit=100')).body.jobs.length;

/** What this process has worked so far, the server in it included: what else the machine does is not in it. */
function cpuMs(): number {
  const { user, system: kernel } = process.cpuUsage();
  return (user + kernel) / 1000;
}

describe('a body', () => {
  it('of more than 1 MB is refused by its length, or as soon as it is too long', async () => {
    const big = `{"text":"${'x'.repeat(1024 * 1024)}"}`;
    expect(await post(big)).toMatchObject({ status: 413, body: { code: 'body_too_large' } });
    const announced = await send(posting(['Content-Length: 5000000000', 'Expect: nothing'], ''));
    expect(announced.status).toBe(413);
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    const endless = await send(posting(['Transfer-Encoding: chunked'], chunk.repeat(20)));
    expect(endless.status).toBe(413);
  });

  it('that is compressed, or no JSON by its type, is refused', async () => {
    expect(await post('{}', { 'content-encoding': 'gzip' })).toMatchObject({
      status: 415,
      body: { code: 'unsupported_media_type' },
    });
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp'])
      expect((await post('{"text":"a"}', { 'content-type': type })).status).toBe(415);
  });

  it('with two keys is refused, whatever they are', async () => {
    const body = '{"text":"Two keys"}';
    const { status, body: answered } = await send(
      posting([`Content-Length: ${body.length}`, 'Idempotency-Key: a', 'Idempotency-Key: b'], body),
    );
    expect(status).toBe(422);
    expect(JSON.parse(answered).errors).toEqual([{ field: 'Idempotency-Key', message: 'Must stand once.' }]);
  });

  it('that is shorter than announced is a 400', async () => {
    const cut = await send(posting(['Content-Length: 100'], '{"text":"cut"}'), { end: true });
    expect(cut.status).toBe(400);
  });

  it.each([
    ['a name that stands twice', '{"text":"a","text":"b"}'],
    ['__proto__', '{"text":"a","__proto__":{"admin":true}}'],
    ['constructor', '{"text":"a","constructor":{"prototype":{"admin":true}}}'],
    ['nesting of 10,000 levels', `{"text":${'['.repeat(10_000)}${']'.repeat(10_000)}}`],
    ['a number beyond all numbers', '{"text":"a","wait_seconds":1e309}'],
    ['NUL', '{"text":"a\\u0000b"}'],
    ['half a surrogate pair', '{"text":"a\\ud83d"}'],
    ['half a surrogate pair in a thread', '{"text":"a","thread":[{"text":"\\udc4b"}]}'],
    ['an array', '[]'],
    ['a number', '7'],
    ['null', 'null'],
    ['nothing', ''],
    ['wrong types', '{"text":["a"],"poll":"yes","thread":{},"media_ids":7,"made_with_ai":"true"}'],
    ['a byte order mark alone', '\ufeff'],
  ])('with %s is a 400', async (_, body) => {
    expect(await post(body)).toMatchObject({ status: 400, body: { code: 'bad_request' } });
  });

  it('that is not UTF-8 is a 400', async () => {
    const bytes = Buffer.concat([
      Buffer.from(posting(['Content-Length: 12'], '{"text":"')),
      Buffer.from([0xff]),
      Buffer.from('"}'),
    ]);
    expect((await send(bytes)).status).toBe(400);
  });

  it('with 50 kB of anything in any field is judged at once', async () => {
    const hostile = ['a', '@', '$', '.', ' ', 'a.', '👨‍', 'http://', '((', '漢', '\t', 'é'].map((part) =>
      part.repeat(50_000 / part.length),
    );
    for (const text of hostile) {
      const at = cpuMs();
      const body = { text, media_url: text, alt_texts: [text], publish_at: text, reply_to_tweet_id: text };
      expect([400, 422]).toContain((await post(JSON.stringify(body))).status);
      expect(cpuMs() - at, text.slice(0, 10)).toBeLessThan(1500);
    }
  });

  it('with a text of nearly 1 MB is refused without being weighed', async () => {
    for (const part of ['👨‍', '漢.', ' $abc']) {
      const text = part.repeat(900_000 / Buffer.byteLength(part));
      for (const path of ['/postTweet', '/validateTweet']) {
        const at = cpuMs();
        const { status, body } = await post(JSON.stringify({ text }), {}, path);
        expect(cpuMs() - at, part).toBeLessThan(1000);
        expect(JSON.stringify(body)).toContain('The text is too long');
        expect([200, 422]).toContain(status);
      }
    }
  });
});

describe('what is no HTTP', () => {
  it.each([
    ['headers of more than 16 kB', 431, () => posting([`X-Big: ${'x'.repeat(17_000)}`], '')],
    ['two lengths', 400, () => posting(['Content-Length: 2', 'Content-Length: 3'], '{}')],
    ['a length and chunks', 400, () => posting(['Content-Length: 2', 'Transfer-Encoding: chunked'], '{}')],
    ['chunks that are not the last encoding', 400, () => posting(['Transfer-Encoding: chunked, gzip'], '{}')],
    ['a folded header', 400, () => posting(['X-Folded: a', ' b', 'Content-Length: 2'], '{}')],
    ['a bare line feed', 400, () => posting(['X-A: b\nX-B: c', 'Content-Length: 2'], '{}')],
    ['a space before the colon', 400, () => posting(['Content-Length : 2'], '{}')],
    ['no Host', 400, () => 'GET /healthz HTTP/1.1\r\n\r\n'],
    ['noise', 400, () => '\x16\x03\x01\x02\x00\r\n\r\n'],
  ])('is refused: %s', async (_, status, request) => {
    const before = await jobCount();
    const answer = await send(request());
    expect(answer.status).toBe(status);
    expect(answer.body).not.toMatch(/ at .*\.(js|ts)|node:internal/);
    expect(await jobCount()).toBe(before);
  });

  it('is answered with the headers of every other refusal', async () => {
    for (const request of [
      posting(['Content-Length: 2', 'Content-Length: 3'], '{}'),
      'GET /healthz HTTP/1.1\r\n\r\n',
    ]) {
      const { head, body } = await send(request);
      for (const line of securityHeaders) expect(head).toMatch(line);
      expect(JSON.parse(body)).toMatchObject({ code: 'bad_request', status: 400 });
    }
    expect((await send('GET /healthz HTTP/1.0\r\n\r\n')).status).toBe(200);
  });

  it('may expect what nobody knows, and is answered as without it', async () => {
    const { status, head } = await send('GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: foo\r\n\r\n');
    expect(status).toBe(200);
    for (const line of securityHeaders) expect(head).toMatch(line);
  });
});
