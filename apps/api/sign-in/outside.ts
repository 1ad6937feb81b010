import type { Context, Middleware } from 'koa';
import type { Provider } from 'oidc-provider';
import { ProblemError } from '#libs/problem/problem.ts';

/**
 * Makes oidc-provider see the request as it arrived at `publicUrl`: it builds its URLs from `ctx.href` and decides on
 * secure cookies by `ctx.secure`, which otherwise come from headers that anybody can send.
 */
export function asSeenFromOutside(provider: Provider, publicUrl: string): Middleware {
  const secure = publicUrl.startsWith('https:');
  return async (ctx, next) => {
    // `GET http://elsewhere/ HTTP/1.1` is a legal request line, but never ours.
    if (!ctx.url.startsWith('/')) throw new ProblemError('bad_request', 'The request line must hold a path.');
    const { cookies } = provider.createContext(ctx.req, ctx.res);
    cookies.secure = secure;
    ctx.cookies = cookies;
    Object.defineProperty(ctx, 'href', { get: () => publicUrl + ctx.url, configurable: true });
    Object.defineProperty(ctx, 'secure', { value: secure, configurable: true });
    // A redirect of this flow may run in a window that its opener waits for.
    ctx.remove('Cross-Origin-Opener-Policy');
    ctx.set({ 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer' });
    await next();
  };
}

const loopbackNames = ['localhost', '127.0.0.1', '[::1]'];

/**
 * `localhost` and `127.0.0.1` are one machine and two sites: a browser that came by the other name would lose its
 * cookies on the way back from X, so it goes over to the public name first. True when it was sent there.
 */
export function toPublicName(ctx: Context, publicUrl: string): boolean {
  const { hostname } = new URL(publicUrl);
  const asked = URL.parse(`http://${ctx.get('host')}`)?.hostname ?? '';
  const isOtherName = asked !== hostname && [asked, hostname].every((name) => loopbackNames.includes(name));
  // Only real navigations, and once: a proxy that rewrites `Host` would send them in circles.
  if (!isOtherName || ctx.get('sec-fetch-mode') !== 'navigate' || ctx.query.moved !== undefined) return false;
  ctx.status = 303;
  ctx.redirect(
    `${publicUrl}${ctx.path}?${new URLSearchParams([...new URLSearchParams(ctx.querystring), ['moved', '1']])}`,
  );
  return true;
}

/** The authorization server's own handling of a request, inside our context and behind our middleware. */
export async function askProvider(provider: Provider, ctx: Context): Promise<void> {
  const [handle] = provider.middleware;
  if (!handle) throw new Error('oidc-provider has no middleware');
  await handle(ctx, async () => {});
}
