import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import helmet from 'helmet';
import type { Context } from 'koa';

/** Headers that make browsers careful. helmet sets the same for every answer: it is asked once, with one that nobody gets. */
export function securityHeaders(publicUrl: string) {
  const headers = new Map<string, string>();
  class Example extends ServerResponse {
    override setHeader(...[name, value]: Parameters<ServerResponse['setHeader']>): this {
      headers.set(name, String(value));
      return this;
    }
  }
  const request = new IncomingMessage(new Socket());
  const setHeaders = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
    strictTransportSecurity: publicUrl.startsWith('https:') ? { maxAge: 63_072_000 } : false,
    referrerPolicy: { policy: 'no-referrer' },
    xFrameOptions: { action: 'deny' },
  });
  setHeaders(request, new Example(request), () => {});
  return (ctx: Context, next: () => Promise<unknown>): Promise<unknown> => {
    ctx.res.setHeaders(headers);
    return next();
  };
}
