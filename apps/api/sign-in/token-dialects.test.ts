import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exchangeAsGpt, gptRequest, requestToken, signInThrough } from './test-flows.ts';
import { gpt, startWorld, type World } from './test-world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

describe('client secrets (O07, O20)', () => {
  const wrong = { grant_type: 'refresh_token', refresh_token: 'x', client_id: gpt.clientId };

  it('a wrong, missing or foreign one is 401 invalid_client; many are 429, and the right one still works', async () => {
    for (const client_secret of [
      'wrong',
      gpt.clientSecret.slice(0, -1),
      `${gpt.clientSecret} `,
      'ü'.repeat(500),
    ]) {
      const answer = await requestToken(world, { form: { ...wrong, client_secret } });
      expect([answer.status, answer.body.error]).toEqual([401, 'invalid_client']);
    }
    expect((await requestToken(world, { form: wrong })).status).toBe(401);
    expect((await requestToken(world, { form: { ...wrong, client_id: 'nobody' } })).status).toBe(401);
    const basic = { authorization: `Basic ${btoa(`${gpt.clientId}:wrong`)}` };
    const refused = await requestToken(world, { form: { grant_type: 'refresh_token' }, headers: basic });
    expect(refused.headers.get('www-authenticate')).toMatch(/^Basic /);
    const statuses: number[] = [];
    for (let guess = 0; guess < 10; guess++)
      statuses.push(
        (await requestToken(world, { form: { ...wrong, client_secret: `guess ${guess}` } })).status,
      );
    expect(statuses.at(-1)).toBe(429);
    const asked = { form: { grant_type: 'refresh_token', refresh_token: 'x' } };
    const guess = (count: number) =>
      requestToken(world, {
        ...asked,
        headers: { authorization: `Basic ${btoa(`${gpt.clientId}:g${count}`)}` },
      });
    expect((await guess(1)).status).toBe(429);
    const encoded = { authorization: `Basic ${btoa(`%67${gpt.clientId.slice(1)}:g2`)}` };
    expect((await requestToken(world, { ...asked, headers: encoded })).status).toBe(429);
    expect((await exchangeAsGpt(world, await signInThrough(world, gptRequest(world)))).status).toBe(200);
  });
});

describe('errors (O25)', () => {
  const send = (
    body: string | Uint8Array<ArrayBuffer>,
    type: string,
    path = '/oauth/token',
    headers: Record<string, string> = {},
  ) => fetch(world.origin + path, { method: 'POST', body, headers: { 'content-type': type, ...headers } });

  it.each([
    ['broken JSON', '{"code":', 'application/json'],
    ['a JSON list', '[]', 'application/json'],
    ['JSON null', 'null', 'application/json'],
    ['a number for a code', '{"code":1}', 'application/json'],
    ['a nested code', '{"code":{"$gt":""}}', 'application/json'],
    ['deep nesting', `${'['.repeat(10_000)}${']'.repeat(10_000)}`, 'application/json'],
    ['a prototype', '{"__proto__":"x","constructor":"y"}', 'application/json'],
    ['an empty object', '{}', 'application/json'],
    ['nothing', '', 'application/json'],
    ['an empty form', '', 'application/x-www-form-urlencoded'],
    ['malformed percents', 'grant_type=%ZZ&code=%', 'application/x-www-form-urlencoded'],
    ['a doubled code', 'grant_type=authorization_code&code=a&code=b', 'application/x-www-form-urlencoded'],
    ['a doubled client', 'client_id=a&client_id=b&code=x', 'application/x-www-form-urlencoded'],
    ['another grant', 'grant_type=client_credentials', 'application/x-www-form-urlencoded'],
    ['a password grant', 'grant_type=password&username=a&password=b', 'application/x-www-form-urlencoded'],
    ['NUL', 'grant_type=refresh_token&refresh_token=%00', 'application/x-www-form-urlencoded'],
    ['a long code', JSON.stringify({ code: 'x'.repeat(50_000) }), 'application/json'],
  ])('%s is an error of RFC 6749 and never a 500', async (_, text, type) => {
    for (const path of ['/oauth/token', '/oauth/refresh', '/oauth/revoke']) {
      const answer = await send(text, type, path, { accept: 'text/html' });
      expect(answer.status).toBeLessThan(500);
      const revokedNothing = path === '/oauth/revoke' && answer.status === 200;
      if (revokedNothing) continue;
      expect([400, 401]).toContain(answer.status);
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(await answer.json()).toMatchObject({ error: expect.stringMatching(/^[a-z_]+$/) });
    }
  });

  it.each([
    ['{"code":"bad","code":"good"}', 'application/json', 'the name code stands twice in one object'],
    ['code=x&state=%zz', 'application/x-www-form-urlencoded', /^the body has a %/],
  ])('what two programs could read differently is named: %s', async (text, type, description) => {
    const answer = await send(text, type);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({
      error: 'invalid_request',
      error_description: expect.stringMatching(description),
    });
  });

  it('other content types, compressed and oversized bodies are refused', async () => {
    expect((await send('code=x', 'text/plain')).status).toBe(415);
    expect((await send('x', 'application/json', '/oauth/token', { 'content-encoding': 'gzip' })).status).toBe(
      415,
    );
    expect((await send(new Uint8Array([0x7b, 0xff, 0x7d]), 'application/json')).status).toBe(400);
    expect((await send(JSON.stringify({ code: 'x'.repeat(70_000) }), 'application/json')).status).toBe(413);
  });

  it('malformed Basic headers are refused', async () => {
    for (const authorization of [
      'Basic',
      'Basic %%%',
      `Basic ${btoa('no-colon')}`,
      `Basic ${btoa('%:%')}`,
      'Digest x',
    ]) {
      const headers = { authorization };
      const { status, body } = await requestToken(world, { form: { code: 'x' }, headers });
      expect([400, 401]).toContain(status);
      expect(body.error).toMatch(/^invalid_/);
    }
  });

  it('a page elsewhere is answered like anybody else, and its browser is not told that it may read the answer', async () => {
    const headers = { origin: 'https://elsewhere.example' };
    const { status, headers: answered, body } = await requestToken(world, { json: { code: 'x' }, headers });
    expect([status, body.error]).toEqual([400, 'invalid_grant']);
    expect([...answered.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
  });

  it('other methods are refused, and an absolute request line too', async () => {
    for (const [path, method] of [
      ['/oauth/token', 'GET'],
      ['/startAuth', 'POST'],
      ['/callback', 'HEAD'],
    ] as const)
      expect((await fetch(world.origin + path, { method })).status).toBe(405);
    const { hostname, port } = new URL(world.origin);
    const socket = connect(Number(port), hostname);
    socket.end(
      'GET http://evil.example/oauth/authorize?response_type=code HTTP/1.1\r\nHost: evil.example\r\n\r\n',
    );
    const answer = (await socket.toArray()).join('');
    expect(answer).toMatch(/^HTTP\/1\.1 400/);
  });
});
