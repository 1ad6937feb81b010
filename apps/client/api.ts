import { setTimeout as pause } from 'node:timers/promises';
import type { z } from 'zod';
import { Refusal } from './answers.ts';
import type { Credentials, Tokens } from './credentials.ts';
import { clientOf, parseTokens } from './sign-in.ts';

/** Tries of a request that may be repeated, when the server does not answer or asks to wait. */
const mostTries = 4;

interface Request {
  readonly method?: string;
  readonly json?: unknown;
  readonly form?: FormData;
}

/** The HTTP API of one server, with this client's tokens. */
export interface Api {
  /** @throws {Refusal} */
  ask<T extends z.ZodType>(schema: T, path: string, request?: Request): Promise<z.infer<T>>;
  /** The answer itself, for streams. @throws {Refusal} */
  open(path: string): Promise<Response>;
}

export function createApi(server: string, credentials: Credentials): Api {
  let tokens: Tokens | null = null;

  async function accessToken(): Promise<string> {
    tokens ??= await credentials.find(server);
    if (!tokens)
      throw new Error(`Not signed in at ${server}. Sign in first: npm run x -- sign-in --server ${server}`);
    // A little early: the token has to outlive the request.
    if (tokens.expiresAt < Date.now() + 30_000) tokens = await refresh(tokens);
    return tokens.accessToken;
  }

  /** Another run of this client may have refreshed meanwhile: then its tokens are the good ones. */
  async function refresh(old: Tokens): Promise<Tokens> {
    const stored = await credentials.find(server);
    if (stored && stored.accessToken !== old.accessToken) return stored;
    const sent = { grant_type: 'refresh_token', refresh_token: old.refreshToken, ...clientOf(old) };
    const body = new URLSearchParams(sent);
    const answer = await fetch(`${server}/oauth/token`, { method: 'POST', body });
    const text = await answer.text();
    if (!answer.ok) {
      if (answer.status >= 500) throw new Refusal(answer.status, text, answer.headers.get('retry-after'));
      throw new Error('The sign-in has expired. Sign in again: npm run x -- sign-in');
    }
    const fresh = parseTokens(JSON.parse(text), old.clientId);
    await credentials.save(server, fresh);
    return fresh;
  }

  async function send(path: string, { method = 'GET', json, form }: Request = {}): Promise<Response> {
    const headers = { authorization: `Bearer ${await accessToken()}`, accept: 'application/json' };
    if (form) return await fetch(server + path, { method, headers, body: form });
    if (json === undefined) return await fetch(server + path, { method, headers });
    const type = { 'content-type': 'application/json' };
    return await fetch(server + path, {
      method,
      headers: { ...headers, ...type },
      body: JSON.stringify(json),
    });
  }

  /** One request, with fresh tokens where the server no longer takes the old ones. */
  async function once(path: string, request: Request): Promise<Response> {
    let answer = await send(path, request);
    if (answer.status === 401 && tokens) {
      await answer.body?.cancel();
      tokens = await refresh(tokens);
      answer = await send(path, request);
    }
    if (answer.ok) return answer;
    throw new Refusal(answer.status, await answer.text(), answer.headers.get('retry-after'));
  }

  /** Every request here may be repeated: posting carries a `request_id`, so that a repetition posts nothing twice. */
  async function open(path: string, request: Request = {}): Promise<Response> {
    for (let tries = 1; ; tries++) {
      try {
        return await once(path, request);
      } catch (error) {
        if (tries >= mostTries || !mayPass(error)) throw explainSilence(error, server);
        const wait = error instanceof Refusal ? error.retryAfterSeconds : null;
        await pause(Math.min(30, wait ?? 2 ** tries) * 1000);
      }
    }
  }

  return {
    open,
    ask: async (schema, path, request) => schema.parse(await (await open(path, request)).json()),
  };
}

function mayPass(error: unknown): boolean {
  if (error instanceof Refusal) return error.status === 429 || error.status === 503 || error.status === 409;
  return error instanceof TypeError;
}

/** `fetch` says nothing but "fetch failed". */
function explainSilence(error: unknown, server: string): unknown {
  return error instanceof TypeError
    ? new Error(`${server} does not answer. Is it running?`, { cause: error })
    : error;
}
