import type { Context } from 'koa';
import { ProblemError } from '#libs/problem/problem.ts';
import type { Caller } from './sign-in/sign-in.ts';
import type { Throttle } from './throttle.ts';

interface IdentifyDeps {
  readonly findCaller: (accessToken: string) => Promise<Caller | null>;
  readonly throttle: Throttle;
}

interface RecallDeps extends IdentifyDeps {
  readonly recallCaller: (accessToken: string) => Caller | null;
}

/** A front door: the tokens that are good for it, and what its challenge says besides the error. */
export interface Door {
  readonly audience: Caller['audience'];
  /** Parameters of the challenge, as `name="value"`. */
  readonly challenge: readonly string[];
}

const restDoor: Door = { audience: 'rest', challenge: [] };

/**
 * Who calls: the account and client that the access token in the `Authorization` header stands for.
 * @throws {ProblemError} unauthorized, with the `WWW-Authenticate` challenge of RFC 6750 section 3; too_many_requests
 */
export async function identifyCaller(
  ctx: Context,
  { findCaller, throttle }: IdentifyDeps,
  door: Door = restDoor,
): Promise<Caller> {
  const token = tokenOf(ctx);
  if (!token) {
    await throttle.countUnknown(ctx);
    throw challenge(door, [], 'Sign in first: send an access token as Authorization: Bearer …');
  }
  const caller = await findCaller(token);
  if (caller?.audience !== door.audience) {
    await throttle.countUnknown(ctx);
    throw challenge(
      door,
      ['error="invalid_token"'],
      'The access token is unknown, expired, revoked or for another address. Refresh it or sign in again.',
    );
  }
  await countOnce(ctx, caller, throttle);
  return caller;
}

/**
 * Does `work` for who calls. One whom this process has recognised before is not looked up first: `work` has to make sure
 * of its `standing` in the very step in which it does anything. Should that one be refused, whatever for, all is done
 * again for who calls as things are now.
 * @throws {ProblemError} what `work` throws, and what `identifyCaller` does
 */
export async function withCaller<T>(
  ctx: Context,
  deps: RecallDeps,
  work: (caller: Caller) => Promise<T>,
): Promise<T> {
  const recalled = deps.recallCaller(tokenOf(ctx) ?? '');
  if (recalled?.audience === restDoor.audience) {
    await countOnce(ctx, recalled, deps.throttle);
    try {
      return await work(recalled);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
    }
  }
  return await work(await identifyCaller(ctx, deps));
}

function tokenOf(ctx: Context): string | undefined {
  return /^Bearer +([\w~+/.-]+=*) *$/i.exec(ctx.get('authorization'))?.[1];
}

async function countOnce(ctx: Context, caller: Caller, throttle: Throttle): Promise<void> {
  if (ctx.state.accountId === caller.accountId) return;
  // For the log line of the request, too.
  ctx.state.accountId = caller.accountId;
  await throttle.countCaller(caller);
}

/**
 * Holds the token's own scope against what a call does: a client that asked for less may do less.
 * @throws {ProblemError} missing_scope, with the challenge of RFC 6750 section 3.1
 */
export function requireScope(caller: Caller, scope: 'tweet.write' | 'media.write'): Caller {
  if (caller.scope.length === 0 || caller.scope.includes(scope)) return caller;
  throw new ProblemError(
    'missing_scope',
    `This access token was given without the right ${scope}. Sign in again and allow it.`,
    {
      headers: { 'WWW-Authenticate': `Bearer error="insufficient_scope", scope="${scope}"` },
    },
  );
}

function challenge(door: Door, error: readonly string[], detail: string): ProblemError {
  const parameters = [...error, ...door.challenge].join(', ');
  return new ProblemError('unauthorized', detail, {
    headers: { 'WWW-Authenticate': parameters === '' ? 'Bearer' : `Bearer ${parameters}` },
  });
}
