import type { Context, Middleware } from 'koa';
import { ProblemError } from '#libs/problem/problem.ts';

/** What answers at a path, by method. */
export type Methods = Readonly<Record<string, (ctx: Context) => Promise<void>>>;

/** By path; a path may end in `/:id`. */
export type Routes = ReadonlyMap<string, Methods>;

/**
 * Serves exact paths, and below those that end in `/:id` any single further segment; everything else goes on to
 * `next`. Other methods of a known path are refused, HEAD too: most of these addresses work once.
 */
export function serve(routes: Routes, around: Middleware): Middleware {
  return (ctx, next) => {
    const methods = routes.get(ctx.path) ?? routes.get(ctx.path.replace(/\/[A-Za-z0-9_-]+$/, '/:id'));
    if (!methods) return next();
    const handle = Object.hasOwn(methods, ctx.method) ? methods[ctx.method] : undefined;
    if (!handle)
      throw new ProblemError('method_not_allowed', 'This address takes other methods.', {
        headers: { Allow: Object.keys(methods).join(', ') },
      });
    return around(ctx, () => handle(ctx));
  };
}
