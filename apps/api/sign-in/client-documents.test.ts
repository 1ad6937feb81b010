import type { IncomingMessage, ServerResponse } from 'node:http';
import * as openid from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMediaFetcher, type MediaFetcher } from '#libs/media/fetch-media.ts';
import { openTo, startMediaHost } from '#libs/media/test-media-host.ts';
import { applicationTypeOf } from './client-documents.ts';
import { recordKey } from './oidc-records.ts';
import { hashOf } from './secrets.ts';
import { locationOf, TestBrowser } from './test-browser.ts';
import { requestToken, signInThrough } from './test-flows.ts';
import { ada, startWorld, type World } from './test-world.ts';

/** What agents publish at addresses of theirs, by path. */
const published = new Map<string, (response: ServerResponse) => void>();
let asked: IncomingMessage[];

let world: World;
let fetchDocument: MediaFetcher['fetchDocument'];
const stack = new AsyncDisposableStack();
beforeAll(async () => {
  const host = stack.use(
    await startMediaHost((request, response) => {
      const answer = published.get(request.url ?? '');
      if (answer) answer(response);
      else response.writeHead(404).end();
    }),
  );
  asked = host.requests;
  // Everything public is this host.
  const fetcher = stack.use(
    createMediaFetcher({
      trustedHosts: [],
      resolve: async (name) => [
        { address: name === 'inside.example' ? '10.0.0.1' : '93.184.215.14', family: 4 },
      ],
      connect: openTo(host.port).open,
      retryDelaysMs: [1, 1],
    }),
  );
  ({ fetchDocument } = fetcher);
  world = stack.use(await startWorld({ fetchDocument }));
});
afterAll(() => stack.disposeAsync());

const json = (value: unknown) => (response: ServerResponse) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
};

/** Publishes a client's document and gives its address. */
function publish(path: string, metadata: object): string {
  const clientId = `https://agent.example${path}`;
  const usual = { client_id: clientId, client_name: 'An agent', token_endpoint_auth_method: 'none' };
  published.set(path, json({ ...usual, redirect_uris: ['https://agent.example/callback'], ...metadata }));
  return clientId;
}

const claude = 'http://localhost/callback';

async function configure(clientId: string, authentication: openid.ClientAuth = openid.None()) {
  return await openid.discovery(new URL(world.publicUrl), clientId, {}, authentication, {
    algorithm: 'oauth2',
    execute: [openid.allowInsecureRequests],
  });
}

/** The whole way of a client that is strict about what it gets. */
async function signInAs(configuration: openid.Configuration, redirectUri: string) {
  const resource = `${world.publicUrl}/mcp`;
  const pkceCodeVerifier = openid.randomPKCECodeVerifier();
  const expectedState = openid.randomState();
  const url = openid.buildAuthorizationUrl(configuration, {
    redirect_uri: redirectUri,
    resource,
    state: expectedState,
    code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  });
  const back = await signInThrough(world, url.href);
  return await openid.authorizationCodeGrant(
    configuration,
    back,
    { pkceCodeVerifier, expectedState },
    { resource },
  );
}

function authorizationUrl(clientId: string, redirectUri: string): string {
  const query = new URLSearchParams({
    ...{ response_type: 'code', client_id: clientId, redirect_uri: redirectUri, state: 's' },
    ...{ code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256' },
  });
  return `${world.origin}/oauth/authorize?${query}`;
}

/** What an authorization request comes to: a status, and where it leads. */
async function begin(clientId: string, redirectUri = 'https://agent.example/callback') {
  const answer = await fetch(authorizationUrl(clientId, redirectUri), { redirect: 'manual' });
  return { status: answer.status, location: answer.headers.get('location') ?? '' };
}

describe('a client that is known by its metadata document', () => {
  it('is shown with the host of its document, which it cannot make up', async () => {
    const browser = new TestBrowser();
    const clientId = publish('/shown.json', { client_name: 'Your bank', redirect_uris: [claude] });
    const begun = await browser.get(authorizationUrl(clientId, claude));
    const page = await (await browser.get(locationOf(begun))).text();
    expect(page).toContain('<dt>It says who it is at</dt><dd>agent.example</dd>');
  });

  it('is shown with where it is called back: by host only where that tells who it is', async () => {
    const shownFor = async (redirectUri: string) => {
      const browser = new TestBrowser();
      const name = redirectUri.replace(/\W/g, '');
      const clientId = publish(`/${name}.json`, { redirect_uris: [redirectUri] });
      const begun = await browser.get(authorizationUrl(clientId, redirectUri));
      const page = await (await browser.get(locationOf(begun))).text();
      return /sent back to<\/dt><dd>(.*?)<\/dd>/.exec(page)?.[1];
    };
    expect(await shownFor('https://agent.example/callback')).toBe('agent.example');
    expect(await shownFor('http://127.0.0.1/callback')).toBe('a program on this device (127.0.0.1)');
    expect(await shownFor('evil-app://chatgpt.com/callback')).toBe(
      'a program on this device (whichever opens evil-app: addresses)',
    );
  });

  it('cannot hide anything behind its name', async () => {
    const browser = new TestBrowser();
    const clientId = publish('/named.json', { client_name: `An\u202e agent\n\0${'x'.repeat(500)}` });
    const begun = await browser.get(authorizationUrl(clientId, 'https://agent.example/callback'));
    const page = await (await browser.get(locationOf(begun))).text();
    expect(page).toContain(`<h1>Allow An agent${'x'.repeat(52)}… to use`);
  });

  it('is never asked for without a name', async () => {
    const browser = new TestBrowser();
    const clientId = publish('/nameless.json', { client_name: '\u200b \u3164' });
    const begun = await browser.get(authorizationUrl(clientId, 'https://agent.example/callback'));
    const page = await (await browser.get(locationOf(begun))).text();
    expect(page).toContain('<h1>Allow a program without a name to use');
  });

  it('signs in as a public client, for /mcp, and gets new refresh tokens', async () => {
    const configuration = await configure(publish('/public.json', {}));
    const tokens = await signInAs(configuration, 'https://agent.example/callback');
    expect(await world.signIn.findCaller(tokens.access_token)).toMatchObject({
      accountId: ada.id,
      clientId: 'https://agent.example/public.json',
      audience: 'mcp',
    });
    const refreshed = await openid.refreshTokenGrant(configuration, tokens.refresh_token ?? '');
    expect(refreshed.refresh_token).not.toBe(tokens.refresh_token);
    expect(await world.signIn.findCaller(refreshed.access_token)).toMatchObject({ audience: 'mcp' });
  });

  it('is called back on any port of the machine, as Claude Code wants it', async () => {
    const clientId = publish('/claude-code.json', { redirect_uris: [claude, 'http://127.0.0.1/callback'] });
    const tokens = await signInAs(await configure(clientId), 'http://localhost:52001/callback');
    expect(await world.signIn.findCaller(tokens.access_token)).toMatchObject({ audience: 'mcp' });
    expect((await begin(clientId, 'http://localhost:52001/other')).status).toBe(400);
  });

  it('may prove who it is by its key, as ChatGPT does', async () => {
    const { privateKey, publicKey } = await crypto.subtle.generateKey(
      { name: 'ECDSA', namedCurve: 'P-256' },
      true,
      ['sign', 'verify'],
    );
    const key = { ...(await crypto.subtle.exportKey('jwk', publicKey)), kid: 'k1', use: 'sig', alg: 'ES256' };
    published.set('/jwks.json', json({ keys: [key] }));
    const clientId = publish('/chatgpt.json', {
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks_uri: 'https://agent.example/jwks.json',
    });
    const proof = openid.PrivateKeyJwt({ key: privateKey, kid: 'k1' });
    const tokens = await signInAs(await configure(clientId, proof), 'https://agent.example/callback');
    expect(await world.signIn.findCaller(tokens.access_token)).toMatchObject({ clientId, audience: 'mcp' });
    const stranger = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
    const forged = openid.PrivateKeyJwt({ key: stranger.privateKey, kid: 'k1' });
    await expect(
      signInAs(await configure(clientId, forged), 'https://agent.example/callback'),
    ).rejects.toMatchObject({ error: 'invalid_client' });
  });

  it('goes on while its document cannot be read, and strangers ask for theirs', async () => {
    const clientId = publish('/away.json', {});
    const configuration = await configure(clientId);
    let { refresh_token } = await signInAs(configuration, 'https://agent.example/callback');
    await world.redis.set('limit:client-document:127.0.0.1', 1_000, 'EX', 100);
    const { redis, accounts, publicUrl } = world;
    /** Another process of the server, which has read no document yet. */
    const refresh = async () => {
      await using later = await startWorld({ redis, accounts, publicUrl, fetchDocument });
      const form = { grant_type: 'refresh_token', client_id: clientId, refresh_token: refresh_token ?? '' };
      const answer = await requestToken(later, { form });
      refresh_token = answer.body.refresh_token ?? refresh_token;
      return answer;
    };
    const read = published.get('/away.json');
    published.set('/away.json', (response) => response.writeHead(503).end());
    const away = await refresh();
    expect(away).toMatchObject({ status: 503, body: { error: 'temporarily_unavailable' } });
    expect(away.headers.get('retry-after')).toBe('5');
    if (read) published.set('/away.json', read);
    expect((await refresh()).status).toBe(200);
    // A page instead of it is no new document.
    published.set('/away.json', (response) => response.writeHead(200).end('<h1>Back soon</h1>'));
    expect((await refresh()).status).toBe(503);
    published.set('/away.json', (response) => response.writeHead(503).end());
    expect((await refresh()).status).toBe(200);
    await redis.set(`limit:known-document:${hashOf(clientId)}`, 600, 'EX', 100);
    const reads = asked.length;
    expect((await refresh()).status).toBe(503);
    expect(asked).toHaveLength(reads);
    await redis.del(`limit:known-document:${hashOf(clientId)}`);
    // Taken back by its owner is another matter.
    published.set('/away.json', (response) => response.writeHead(404).end());
    expect((await refresh()).status).toBe(503);
    published.set('/away.json', (response) => response.writeHead(503).end());
    expect((await refresh()).status).toBe(503);
    await redis.del('limit:client-document:127.0.0.1');
  });

  it('goes on with what an earlier version gave it for a resource with a slash at its end', async () => {
    const clientId = publish('/earlier.json', {});
    const tokens = await signInAs(await configure(clientId), 'https://agent.example/callback');
    const resource = `${world.publicUrl}/mcp`;
    const refreshKey = recordKey('RefreshToken', tokens.refresh_token ?? '');
    const refresh = JSON.parse((await world.redis.hget(refreshKey, 'payload')) ?? '');
    await world.redis.hset(refreshKey, 'payload', JSON.stringify({ ...refresh, resource: `${resource}/` }));
    const grantKey = recordKey('Grant', refresh.grantId);
    const grant = JSON.parse((await world.redis.hget(grantKey, 'payload')) ?? '');
    const resources = { [`${resource}/`]: grant.resources[resource] };
    await world.redis.hset(grantKey, 'payload', JSON.stringify({ ...grant, resources }));
    const form = { client_id: clientId, refresh_token: tokens.refresh_token ?? '', resource: `${resource}/` };
    const { status, body } = await requestToken(world, { form });
    expect(status).toBe(200);
    const caller = await world.signIn.findCaller(body.access_token);
    expect(caller).toMatchObject({ audience: 'mcp', scope: expect.arrayContaining(['tweet.write']) });
  });

  it('need say no more than who it is and where it is called back', async () => {
    const clientId = publish('/few-words.json', {
      token_endpoint_auth_method: undefined,
      scope: 'tweet.write openid',
      logo_uri: null,
      client_name: '',
      token_endpoint_auth_signing_alg: 'RS256',
      id_token_signed_response_alg: 'RS256',
      redirect_uris: ['https://agent.example/callback', 'web+evil://agent.example/callback'],
    });
    const tokens = await signInAs(await configure(clientId), 'https://agent.example/callback');
    expect(tokens.refresh_token).toBeDefined();
    expect((await begin(clientId, 'web+evil://agent.example/callback')).status).toBe(400);
  });

  it('is asked for its document once in a while, not each time', async () => {
    const clientId = publish('/often.json', {});
    for (let time = 0; time < 3; time++)
      expect((await begin(clientId)).location).toContain('/oauth/consent/');
    expect(asked.filter(({ url }) => url === '/often.json')).toHaveLength(1);
  });
});

describe('a client document is refused', () => {
  it.each<[string, string | object]>([
    ['that is not there', 'https://agent.example/nothing.json'],
    ['at an address inside', 'https://inside.example/client.json'],
    ['at an address of this machine', 'https://127.0.0.1/client.json'],
    ['without https', 'http://agent.example/client.json'],
    ['that speaks of another client', { client_id: 'https://other.example/client.json' }],
    [
      'with a shared secret',
      { token_endpoint_auth_method: 'client_secret_post', client_secret: 'known to all' },
    ],
    ['that is called back without https', { redirect_uris: ['http://agent.example/callback'] }],
    ['that is too large', { client_name: 'x'.repeat(6000) }],
  ])('%s', async (why, document) => {
    const clientId =
      typeof document === 'string' ? document : publish(`/${why.replaceAll(' ', '-')}.json`, document);
    const { status, location } = await begin(clientId);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    expect(location).toBe('');
  });

  it('behind a redirect, even to the very same host', async () => {
    const clientId = publish('/real.json', {});
    published.set('/moved.json', (response) =>
      response.writeHead(302, { location: 'https://agent.example/real.json' }).end(),
    );
    expect((await begin('https://agent.example/moved.json')).status).toBe(400);
    expect((await begin(clientId)).location).toContain('/oauth/consent/');
  });

  it('when the server has no door for such clients', async () => {
    await using closed = await startWorld({ mcp: null });
    const metadata = await (await fetch(`${closed.origin}/.well-known/oauth-authorization-server`)).json();
    expect(metadata).not.toHaveProperty('client_id_metadata_document_supported');
    expect(metadata).not.toHaveProperty('registration_endpoint');
    const query = new URLSearchParams({
      response_type: 'code',
      client_id: 'https://agent.example/public.json',
    });
    expect((await fetch(`${closed.origin}/oauth/authorize?${query}`, { redirect: 'manual' })).status).toBe(
      400,
    );
    expect((await fetch(`${closed.origin}/oauth/register`, { method: 'POST' })).status).toBe(404);
  });
});

describe('the kind of application', () => {
  it.each([
    [['https://a.example/b'], 'web'],
    [[claude], 'native'],
    [['https://a.example/b', 'cursor://callback'], 'native'],
    ['no list', 'web'],
  ])('of %j is %s', (redirectUris, kind) => {
    expect(applicationTypeOf(redirectUris)).toBe(kind);
  });
});
