import { randomBytes } from 'node:crypto';
import type { Context } from 'koa';

/** Days that a browser is recognised, which is also how long its consents are remembered. */
export const browserDays = 90;

/** The cookie that ties a sign-in to the browser (or cookie jar) that began it. 256 random bits, no meaning. */
export interface BrowserCookie {
  /** The value, given out now if there is none yet. */
  require(ctx: Context): string;
  read(ctx: Context): string | null;
}

/** `__Host-` keeps subdomains from planting the cookie (RFC 6265bis section 4.1.3.2); it exists only under https. */
export function createBrowserCookie(publicUrl: string): BrowserCookie {
  const secure = publicUrl.startsWith('https:');
  const name = secure ? '__Host-post-to-x' : 'post-to-x';
  const read = (ctx: Context) => {
    const value = ctx.cookies.get(name, { signed: false });
    return value !== undefined && /^[A-Za-z0-9_-]{43}$/.test(value) ? value : null;
  };
  return {
    read,
    require(ctx) {
      const given: unknown = ctx.state.browser;
      if (typeof given === 'string') return given;
      const value = read(ctx) ?? randomBytes(32).toString('base64url');
      ctx.state.browser = value;
      ctx.cookies.set(name, value, {
        httpOnly: true,
        sameSite: 'lax',
        secure,
        path: '/',
        signed: false,
        maxAge: browserDays * 86_400_000,
      });
      return value;
    },
  };
}
