import type { Context } from 'koa';
import { ProblemError } from '#libs/problem/problem.ts';
import type { Caller } from './sign-in/sign-in.ts';

/** Who calls: the account and client that the access token in the `Authorization` header stands for (RFC 6750). */
export type FindCaller = (accessToken: string) => Promise<Caller | null>;

/** @throws {ProblemError} unauthorized, with the `WWW-Authenticate` challenge of RFC 6750 section 3 */
export async function identifyCaller(ctx: Context, findCaller: FindCaller): Promise<Caller> {
  const header = ctx.get('authorization');
  const token = /^Bearer +([\w~+/.-]+=*) *$/i.exec(header)?.[1];
  if (!token) throw challenge('Bearer', 'Sign in first: send an access token as Authorization: Bearer …');
  const caller = await findCaller(token);
  if (caller?.audience !== 'rest')
    throw challenge(
      'Bearer error="invalid_token"',
      'The access token is unknown, expired or revoked. Refresh it or sign in again.',
    );
  return caller;
}

function challenge(value: string, detail: string): ProblemError {
  return new ProblemError('unauthorized', detail, { headers: { 'WWW-Authenticate': value } });
}
