import { createHmac, randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Context } from 'koa';
import { ProblemError } from '#libs/problem/problem.ts';
import { BodyError, readParameters } from './sign-in/body.ts';
import { reach } from './sign-in/reach.ts';
import { deriveKey, hashOf, isSame } from './sign-in/secrets.ts';
import type { Caller } from './sign-in/sign-in.ts';

const lifeSeconds = 30 * 86_400;

/** A browser that is signed in, for the pages alone: the JSON API never takes it for a caller. */
export interface Session {
  readonly accountId: string;
  /** Stands in every form of this browser's pages. */
  readonly csrfToken: string;
}

/** Sessions of browsers: a random id in a cookie, its hash and the account in Redis (`session:<hash>`). */
export interface Sessions {
  /** Signs this browser in, with a new id even where it had one (no fixation); the old one ends. */
  begin(ctx: Context, accountId: string): Promise<void>;
  /** Who is signed in here; null when nobody is, or no longer. */
  find(ctx: Context): Promise<Session | null>;
  /** Signs this browser out. */
  end(ctx: Context): Promise<void>;
  /** Signs the account out of every browser. */
  revokeAccount(accountId: string): Promise<void>;
}

export function createSessions(options: {
  readonly redis: Redis;
  /** Origin of this server: decides the cookie's name and where forms may come from. */
  readonly publicUrl: string;
  readonly secretKey: string;
}): Sessions {
  const { redis } = options;
  const secure = options.publicUrl.startsWith('https:');
  // `__Host-` keeps subdomains from planting the cookie (RFC 6265bis section 4.1.3.2); it exists only under https.
  const name = secure ? '__Host-post-to-x-user' : 'post-to-x-user';
  const csrfKey = deriveKey(options.secretKey, 'session forms');
  const keyOf = (id: string) => `session:${hashOf(id)}`;
  const listOf = (accountId: string) => `sessions-of:${accountId}`;

  const read = (ctx: Context): string | null => {
    const id = ctx.cookies.get(name, { signed: false });
    return id !== undefined && /^[A-Za-z0-9_-]{43}$/.test(id) ? id : null;
  };
  const write = (ctx: Context, id: string | null) =>
    ctx.cookies.set(name, id, {
      httpOnly: true,
      sameSite: 'lax',
      secure,
      path: '/',
      signed: false,
      ...(id === null ? {} : { maxAge: lifeSeconds * 1000 }),
    });
  const forget = (id: string) => reach(() => redis.del(keyOf(id)));

  return {
    async begin(ctx, accountId) {
      const old = read(ctx);
      const id = randomBytes(32).toString('base64url');
      const now = Math.floor(Date.now() / 1000);
      await reach(() =>
        redis
          .multi()
          .set(keyOf(id), accountId, 'EX', lifeSeconds)
          .zremrangebyscore(listOf(accountId), 0, now)
          .zadd(listOf(accountId), now + lifeSeconds, keyOf(id))
          .expire(listOf(accountId), lifeSeconds)
          .exec(),
      );
      write(ctx, id);
      if (old !== null) await forget(old);
    },
    async find(ctx) {
      const id = read(ctx);
      const accountId = id === null ? null : await reach(() => redis.get(keyOf(id)));
      if (id === null || accountId === null) return null;
      return { accountId, csrfToken: createHmac('sha256', csrfKey).update(id).digest('base64url') };
    },
    async end(ctx) {
      const id = read(ctx);
      if (id !== null) await forget(id);
      write(ctx, null);
    },
    revokeAccount: (accountId) =>
      reach(async () => {
        const keys = await redis.zrange(listOf(accountId), 0, '-1');
        if (keys.length > 0)
          await redis
            .multi()
            .del(...keys)
            .zrem(listOf(accountId), ...keys)
            .exec();
      }),
  };
}

/**
 * Refuses a request that another site had this browser send (Fetch Metadata; where a browser tells none, `Origin`).
 * Forms need their token besides: our pages send no referrer, and then the origin of a form is `null`.
 * @throws {ProblemError} forbidden
 */
export function refuseOtherSites(ctx: Context, publicUrl: string): void {
  const site = ctx.get('sec-fetch-site');
  const origin = ctx.get('origin');
  const ours =
    site === '' ? ['', 'null', new URL(publicUrl).origin].includes(origin) : site === 'same-origin';
  if (!ours) throw new ProblemError('forbidden', 'This was sent from another site, and was not done.');
}

/** @throws {ProblemError} forbidden when the form is not one that this browser's own page showed */
export function checkCsrfToken(session: Session, sent: string | undefined): void {
  if (sent === undefined || !isSame(sent, session.csrfToken))
    throw new ProblemError(
      'forbidden',
      'This page was older than your sign-in, so nothing was done. Go back, reload it and try once more.',
    );
}

/** @throws {ProblemError} unauthorized where nobody is signed in in this browser */
export async function requireSession(ctx: Context, sessions: Sessions): Promise<Session> {
  const session = await sessions.find(ctx);
  if (session) return session;
  throw new ProblemError('unauthorized', 'You are not signed in here any more. Nothing was done.', {
    headers: { 'WWW-Authenticate': 'Bearer' },
  });
}

/**
 * A form that a signed-in browser sent from a page of ours.
 * @throws {ProblemError} forbidden, unauthorized, bad_request
 */
export async function readForm(
  ctx: Context,
  { sessions, publicUrl }: { readonly sessions: Sessions; readonly publicUrl: string },
): Promise<{ session: Session; fields: ReadonlyMap<string, string> }> {
  refuseOtherSites(ctx, publicUrl);
  const session = await requireSession(ctx, sessions);
  const fields = new Map(await readParameters(ctx).catch(refuseBody));
  checkCsrfToken(session, fields.get('csrf_token'));
  return { session, fields };
}

function refuseBody(error: unknown): never {
  if (error instanceof BodyError)
    throw new ProblemError('bad_request', 'The form could not be read.', { cause: error });
  throw error;
}

/** The signed-in browser as a caller that may read; null where a token was sent, or another site is asking. */
export async function identifyPage(ctx: Context, sessions: Sessions): Promise<Caller | null> {
  if (ctx.get('authorization') !== '' || !['', 'same-origin'].includes(ctx.get('sec-fetch-site')))
    return null;
  const session = await sessions.find(ctx);
  return session && toCaller(session);
}

/** The pages are a client like any other: what they post is told apart from what assistants post. */
export function toCaller({ accountId }: Session): Caller {
  return { accountId, clientId: 'post-to-x-pages', scope: [], audience: 'rest' };
}
