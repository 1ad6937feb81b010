import type { IncomingHttpHeaders } from 'node:http';
import type { Reply } from './refusals.ts';
import type { RequestRecord } from './requests.ts';
import type { User } from './settings.ts';

/** One request as an endpoint sees it: already read. */
export interface Call {
  readonly parameters: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly record: RequestRecord;
}

/** A call with a valid access token. */
export interface UserCall extends Call {
  readonly user: User;
  readonly clientId: string;
  /** When this user allowed this app to act, epoch ms. */
  readonly signedInAt: number;
}

interface Shape {
  /** `POST /2/media/upload/:id/append`: how requests are logged, and how faults name it. */
  readonly key: string;
  /** A longer body meets an empty 413. */
  readonly maxBodyBytes?: () => number;
}

/** An endpoint that anybody may call. */
export interface OpenEndpoint extends Shape {
  handle(call: Call): Reply | Promise<Reply>;
}

/** An endpoint that wants an access token with these scopes, and that X counts. */
export interface UserEndpoint extends Shape {
  readonly scopes: readonly string[];
  handle(call: UserCall): Reply | Promise<Reply>;
}

export type Endpoint = OpenEndpoint | UserEndpoint;

interface Match {
  readonly endpoint: Endpoint;
  readonly parameters: Record<string, string>;
}

/** Finds the endpoint of a request; null if there is none, `method` if only other methods exist there. */
export function matchEndpoint(
  endpoints: readonly Endpoint[],
  method: string,
  path: string,
): Match | 'method' | null {
  let pathExists = false;
  for (const endpoint of endpoints) {
    const [wantedMethod = '', pattern = ''] = endpoint.key.split(' ');
    const parameters = matchPath(pattern, path);
    if (!parameters) continue;
    if (wantedMethod === method) return { endpoint, parameters };
    pathExists = true;
  }
  return pathExists ? 'method' : null;
}

function matchPath(pattern: string, path: string): Record<string, string> | null {
  const wanted = pattern.split('/');
  const given = path.split('/');
  if (wanted.length !== given.length) return null;
  const parameters: Record<string, string> = {};
  for (const [index, segment] of wanted.entries()) {
    const value = given[index] ?? '';
    if (segment.startsWith(':') && value !== '') parameters[segment.slice(1)] = value;
    else if (segment !== value) return null;
  }
  return parameters;
}
