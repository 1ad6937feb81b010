import { z } from 'zod';
import { fieldOf, locationOf, TestBrowser } from './test-browser.ts';
import { ada, gpt, type World } from './test-world.ts';

/** The user decides on X's page; resolves to the address that X then sends the browser to. */
export async function decideAtX(
  authorizationUrl: string,
  { user = ada.username, decision = 'allow' }: { user?: string; decision?: 'allow' | 'deny' } = {},
): Promise<string> {
  const url = new URL(authorizationUrl);
  const fields = new URLSearchParams(url.search);
  fields.set('username', user);
  fields.set('decision', decision);
  const response = await fetch(url.origin + url.pathname, {
    method: 'POST',
    body: fields,
    redirect: 'manual',
  });
  return locationOf(response);
}

/** An authorization request of the GPT, as ChatGPT makes it. */
export function gptRequest(world: World, changes: Record<string, string | undefined> = {}): string {
  const parameters = {
    response_type: 'code',
    client_id: gpt.clientId,
    redirect_uri: gpt.redirectUris[0],
    state: 'opaque-state',
    ...changes,
  };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, value);
  return `${world.origin}/oauth/authorize?${query}`;
}

/** Goes through our consent page and X, to the redirect that the client receives. */
export async function signInThrough(
  world: World,
  request: string,
  { browser = new TestBrowser(), user = ada.username }: { browser?: TestBrowser; user?: string } = {},
): Promise<URL> {
  const consentUrl = world.local(locationOf(await browser.get(request)));
  const page = await (await browser.get(consentUrl)).text();
  const fields = { csrf_token: fieldOf(page, 'csrf_token'), decision: 'approve' };
  const atX = locationOf(await browser.post(consentUrl, fields));
  const resume = locationOf(await browser.get(world.local(await decideAtX(atX, { user }))));
  return new URL(locationOf(await browser.get(world.local(resume))));
}

const Begun = z.strictObject({ authorization_url: z.url(), state: z.string() });

/** The contract's answer of `/callback`. */
const Connected = z.strictObject({
  message: z.literal('Authentication successful!'),
  access_token: z.string(),
  token_type: z.literal('Bearer'),
  refresh_token: z.string(),
  expires_at: z.iso.datetime(),
  expires_in: z.number(),
  scope: z.string(),
  account: z.strictObject({ id: z.string(), username: z.string(), name: z.string() }),
});

/** A sign-in of a program: `/startAuth`, X, `/callback`. */
export async function signInDirectly(world: World, user = ada.username) {
  const program = new TestBrowser('*/*');
  const begun = Begun.parse(await (await program.get(`${world.origin}/startAuth`)).json());
  const callback = await decideAtX(begun.authorization_url, { user });
  return Connected.parse(await (await program.get(world.local(callback))).json());
}

/** A token request as a form, or as JSON when `json` is given. */
export async function requestToken(
  world: World,
  sent: { form?: Record<string, string>; json?: unknown; path?: string; headers?: Record<string, string> },
) {
  const { form, json, path = '/oauth/token', headers = {} } = sent;
  const body = form ? new URLSearchParams(form) : JSON.stringify(json);
  const type = form ? 'application/x-www-form-urlencoded' : 'application/json';
  const response = await fetch(world.origin + path, {
    method: 'POST',
    headers: { 'content-type': type, ...headers },
    body,
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
}

/** The code that came back to the GPT, exchanged as ChatGPT does by default. */
export function exchangeAsGpt(world: World, back: URL, changes: Record<string, string> = {}) {
  return requestToken(world, {
    form: {
      grant_type: 'authorization_code',
      client_id: gpt.clientId,
      client_secret: gpt.clientSecret,
      code: back.searchParams.get('code') ?? '',
      redirect_uri: gpt.redirectUris[0],
      ...changes,
    },
  });
}
