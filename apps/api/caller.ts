import type { Context } from 'koa';
import { ProblemError } from '#libs/problem/problem.ts';
import type { Caller } from './sign-in/sign-in.ts';
import type { Throttle } from './throttle.ts';

interface IdentifyDeps {
  readonly findCaller: (accessToken: string) => Promise<Caller | null>;
  readonly throttle: Throttle;
}

/**
 * Who calls: the account and client that the access token in the `Authorization` header stands for.
 * @throws {ProblemError} unauthorized, with the `WWW-Authenticate` challenge of RFC 6750 section 3; too_many_requests
 */
export async function identifyCaller(ctx: Context, { findCaller, throttle }: IdentifyDeps): Promise<Caller> {
  const header = ctx.get('authorization');
  const token = /^Bearer +([\w~+/.-]+=*) *$/i.exec(header)?.[1];
  if (!token) {
    await throttle.countUnknown(ctx);
    throw challenge('Bearer', 'Sign in first: send an access token as Authorization: Bearer …');
  }
  const caller = await findCaller(token);
  if (caller?.audience !== 'rest') {
    await throttle.countUnknown(ctx);
    throw challenge(
      'Bearer error="invalid_token"',
      'The access token is unknown, expired or revoked. Refresh it or sign in again.',
    );
  }
  await throttle.countCaller(caller);
  return caller;
}

function challenge(value: string, detail: string): ProblemError {
  return new ProblemError('unauthorized', detail, { headers: { 'WWW-Authenticate': value } });
}
