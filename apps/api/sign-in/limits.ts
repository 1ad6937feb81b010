import type { Redis } from 'ioredis';
import type { Context } from 'koa';
import { ProblemError } from '#libs/problem/problem.ts';
import { reach } from './reach.ts';
import { hashOf } from './secrets.ts';

const windowSeconds = 60;

/** Each sign-in that is begun is remembered for a while: one address may not fill the memory with them. */
const startsPerWindow = 600;

const wrongSecretsPerWindow = 10;

/** Only while a document cannot be read is it asked for more than once in ten minutes: at each refresh of each user. */
const knownDocumentsPerWindow = 600;

/** Clients that introduce themselves: an honest one does it once, and its document is kept for a while. */
const perHour = { registrationsPerAddress: 20, registrations: 500, documentsPerAddress: 120 };
const hour = 3600;

/** What one address may do before anybody is signed in. */
export interface SignInLimits {
  /** Counts a sign-in that is begun. @throws {ProblemError} too_many_requests */
  countStart(ctx: Context): Promise<void>;
  /** Counts a client that registers itself. @throws {ProblemError} too_many_requests */
  countRegistration(ctx: Context): Promise<void>;
  /** Counts a client's document that has to be fetched; false: too many. */
  mayFetchDocument(ctx: Pick<Context, 'ip'>): Promise<boolean>;
  /** The same for a client that has tokens: by itself, so that no stranger takes its place. */
  mayFetchKnownDocument(url: string): Promise<boolean>;
  /**
   * Counts a wrong client secret, by address and client, and turns the answer into a 429 once there are too many.
   * The right secret always works: nobody can lock a client out.
   */
  countWrongSecret(ctx: Context, clientId: string): Promise<void>;
}

export function createSignInLimits(redis: Redis): SignInLimits {
  const count = (what: string, seconds = windowSeconds) =>
    reach(async () => {
      const key = `limit:${what}`;
      const answers = await redis.multi().incr(key).expire(key, seconds, 'NX').exec();
      return Number(answers?.[0]?.[1] ?? 0);
    });
  return {
    async countStart(ctx) {
      if ((await count(`sign-in:${ctx.ip}`)) <= startsPerWindow) return;
      throw new ProblemError('too_many_requests', 'Too many sign-ins were begun from your address.', {
        retryAfterSeconds: windowSeconds,
      });
    },
    async countRegistration(ctx) {
      const ofAddress = await count(`register:${ctx.ip}`, hour);
      if (
        ofAddress <= perHour.registrationsPerAddress &&
        (await count('register', hour)) <= perHour.registrations
      )
        return;
      throw new ProblemError('too_many_requests', 'Too many clients were registered in the last hour.', {
        retryAfterSeconds: hour,
      });
    },
    mayFetchDocument: async (ctx) =>
      (await count(`client-document:${ctx.ip}`, hour)) <= perHour.documentsPerAddress,
    mayFetchKnownDocument: async (url) =>
      (await count(`known-document:${hashOf(url)}`)) <= knownDocumentsPerWindow,
    async countWrongSecret(ctx, clientId) {
      if ((await count(`secret:${hashOf(`${ctx.ip} ${clientId}`)}`)) <= wrongSecretsPerWindow) return;
      ctx.status = 429;
      ctx.set('Retry-After', String(windowSeconds));
      ctx.body = { error: 'invalid_client', error_description: 'too many wrong attempts, wait a minute' };
    },
  };
}
