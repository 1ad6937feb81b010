import type { Context, Middleware } from 'koa';
import { ProblemError } from '#libs/problem/problem.ts';
import { sendPage, wantsPage } from '../pages/page.ts';
import { noticePage } from '../pages/sign-in-pages.ts';
import { AuthorizeRefusal, refuseAuthorization } from './authorize.ts';
import { faultNotice, faultProblem, SignInFault } from './sign-in-fault.ts';

/** A failed sign-in as a page for people, as a problem for programs. */
export const explainFaults: Middleware = async (ctx, next) => {
  try {
    await next();
  } catch (error) {
    if (error instanceof AuthorizeRefusal) refuseAuthorization(ctx, { error: error.error, status: 400 });
    else if (error instanceof SignInFault) explainFault(ctx, error);
    else if (error instanceof ProblemError && wantsPage(ctx)) explainProblem(ctx, error);
    else throw error;
  }
};

function explainFault(ctx: Context, fault: SignInFault): void {
  if (!wantsPage(ctx)) throw faultProblem(fault);
  sendPage(ctx, noticePage(faultNotice(fault)));
}

function explainProblem(ctx: Context, { kind, detail, retryAfterSeconds, headers }: ProblemError): void {
  sendPage(ctx, noticePage({ status: kind.status, title: kind.title, text: detail }));
  ctx.set(headers);
  if (retryAfterSeconds !== undefined) ctx.set('Retry-After', String(retryAfterSeconds));
}
