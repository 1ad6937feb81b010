import { z } from 'zod';
import { parseForm } from './form.ts';
import { ServerError } from './server.ts';

const Begun = z.object({ authorization_url: z.url() });
const Tokens = z.object({ access_token: z.string(), account: z.object({ username: z.string() }) });

/** Whom the server posts for from now on, and where. */
export interface SignedIn {
  readonly token: string;
  readonly username: string;
  /** The X that the person signed in at. */
  readonly xUrl: string;
}

/** The server posts to the real X, where a demo has no business. */
export class RealXError extends Error {}

/**
 * Connects an account as a program does it together with a person: begin, let them allow it at X (here: fill in
 * the simulator's form), come back with X's code.
 * @throws RealXError before anything happens there.
 */
export async function signIn(url: string): Promise<SignedIn> {
  const json = { accept: 'application/json' };
  const begun = await fetch(new URL('/startAuth', url), { headers: json });
  const { authorization_url: authorizationUrl } = Begun.parse(await begun.json());
  const { hostname, origin } = new URL(authorizationUrl);
  if (/(^|\.)(x|twitter)\.com$/.test(hostname))
    throw new RealXError(`The server at ${url} posts to the real X: the demo is for a sandbox only.`);
  const cookie = begun.headers
    .getSetCookie()
    .map((line) => line.split(';')[0])
    .join('; ');
  const callback = await allow(authorizationUrl);
  const answer = await fetch(callback, { headers: { ...json, cookie } });
  if (!answer.ok) throw new ServerError(`The server did not accept the sign-in: ${await answer.text()}`);
  const tokens = Tokens.parse(await answer.json());
  return { token: tokens.access_token, username: tokens.account.username, xUrl: origin };
}

/** Does what a person does on the page of X: leaves the first account chosen and presses the first button. */
async function allow(authorizationUrl: string): Promise<string> {
  const page = await fetch(authorizationUrl);
  const form = parseForm(await page.text(), authorizationUrl);
  const answer = await fetch(form.action, { method: 'POST', body: form.fields, redirect: 'manual' });
  const callback = answer.headers.get('location');
  if (callback === null) throw new ServerError(`X did not send the person back (status ${answer.status}).`);
  return callback;
}
