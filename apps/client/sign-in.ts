import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { z } from 'zod';
import { Refusal } from './answers.ts';
import type { Tokens } from './credentials.ts';

const clientId = 'post-to-x-terminal';

const TokenAnswer = z.object({ access_token: z.string(), refresh_token: z.string(), expires_in: z.number() });
const Metadata = z.object({
  issuer: z.string(),
  authorization_endpoint: z.string(),
  token_endpoint: z.string(),
});

/** What names these tokens' client to the server, where there is a name. */
export function clientOf({ clientId: client }: Tokens): Record<string, string> {
  return client === null ? {} : { client_id: client };
}

/** An answer of the token endpoint (RFC 6749 section 5.1). */
export function parseTokens(answer: unknown, client: string | null): Tokens {
  const { access_token, refresh_token, expires_in } = TokenAnswer.parse(answer);
  return {
    clientId: client,
    accessToken: access_token,
    refreshToken: refresh_token,
    expiresAt: Date.now() + expires_in * 1000,
  };
}

/**
 * Signs in through the browser (RFC 8252): it comes back to a port of this machine that is open for this one answer.
 * @param show is given the address that the user has to open
 */
export async function signInByBrowser(server: string, show: (url: string) => void): Promise<Tokens> {
  const found = await fetch(`${server}/.well-known/oauth-authorization-server`);
  if (!found.ok) throw new Refusal(found.status, await found.text(), null);
  const metadata = Metadata.parse(await found.json());
  const state = randomBytes(16).toString('base64url');
  const verifier = randomBytes(32).toString('base64url');
  await using loopback = await openLoopback();
  const address = new URL(metadata.authorization_endpoint);
  address.search = new URLSearchParams({
    response_type: 'code',
    client_id: clientId,
    redirect_uri: loopback.redirectUri,
    scope: 'tweet.read tweet.write users.read media.write offline.access',
    state,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString();
  show(address.href);
  const back = await loopback.answer(state, metadata.issuer);
  const code = back.get('code');
  if (code === null) throw new Error(`Not signed in: ${back.get('error_description') ?? back.get('error')}`);
  const body = new URLSearchParams({
    grant_type: 'authorization_code',
    client_id: clientId,
    code,
    redirect_uri: loopback.redirectUri,
    code_verifier: verifier,
  });
  return await requestTokens(metadata.token_endpoint, clientId, { body });
}

/** Signs in with the one-time code that the server's page shows after connecting an account. */
export function signInByCode(server: string, code: string): Promise<Tokens> {
  return requestTokens(`${server}/oauth/token`, null, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code }),
  });
}

async function requestTokens(endpoint: string, client: string | null, request: RequestInit): Promise<Tokens> {
  const answer = await fetch(endpoint, { method: 'POST', ...request });
  if (answer.ok) return parseTokens(await answer.json(), client);
  await answer.body?.cancel();
  throw new Error('The server did not take the code. Codes work once and for a few minutes: sign in again.');
}

/** A server for one request, on a port of this machine that the system picks. */
async function openLoopback() {
  const arrived = Promise.withResolvers<URLSearchParams>();
  let expected: { state: string; issuer: string } | null = null;
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://127.0.0.1');
    const ours =
      pathname === '/callback' &&
      searchParams.get('state') === expected?.state &&
      searchParams.get('iss') === expected?.issuer;
    const text = ours ? 'Done. You can close this page and go back to the terminal.' : 'Nothing here.';
    response.writeHead(ours ? 200 : 404, {
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      connection: 'close',
    });
    response.end(text, () => ours && arrived.resolve(searchParams));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return {
    redirectUri: `http://127.0.0.1:${port}/callback`,
    /** What came back for this very sign-in; whatever else asks is sent away. */
    answer(state: string, issuer: string): Promise<URLSearchParams> {
      expected = { state, issuer };
      return arrived.promise;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
