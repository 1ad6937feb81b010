import type { Context } from 'koa';
import type { Account } from '#libs/accounts/account-store.ts';
import { sendPage, wantsPage } from '../pages/page.ts';
import { connectedPage } from '../pages/sign-in-pages.ts';
import type { Sessions } from '../session.ts';
import { grantedScope, xScopes } from './scope.ts';
import type { TokenDesk } from './tokens.ts';
import type { XSignIn } from './x-sign-in.ts';

/** `GET /startAuth`: a browser goes on to X, a program gets the address. */
export async function startAuth(ctx: Context, xSignIn: XSignIn): Promise<void> {
  const returnTo = toReturnPath(ctx.query.return_to);
  const { url, state } = await xSignIn.begin(ctx, { kind: 'direct', returnTo });
  ctx.vary('Accept');
  if (wantsPage(ctx)) {
    ctx.status = 303;
    ctx.redirect(url);
  } else ctx.body = { authorization_url: url, state };
}

/** Pages of ours that a sign-in may lead back to; anything else would be an open redirect. */
function toReturnPath(value: string | string[] | undefined): string | null {
  return typeof value === 'string' && /^\/(jobs\/[0-9a-f]{32})?$/.test(value) ? value : null;
}

/** The end of a sign-in that began with `/startAuth`: tokens for a program, a page with a one-time code for a browser. */
export async function answerDirect(
  ctx: Context,
  {
    account,
    returnTo,
    desk,
    sessions,
  }: {
    readonly account: Account;
    readonly returnTo: string | null;
    readonly desk: TokenDesk;
    readonly sessions: Sessions;
  },
): Promise<void> {
  ctx.vary('Accept');
  const scope = grantedScope(xScopes, account.scope);
  if (wantsPage(ctx)) {
    await sessions.begin(ctx, account.id);
    const missing = xScopes.filter((known) => !scope.includes(known));
    if (returnTo !== null && missing.length === 0) {
      ctx.status = 303;
      return ctx.redirect(returnTo);
    }
    const oneTimeCode = await desk.oneTimeCode(account.id, scope);
    const { username, name } = account;
    sendPage(ctx, connectedPage({ username, name, oneTimeCode, minutes: 5, missing }));
    return;
  }
  const tokens = await desk.mint(account.id, scope);
  ctx.body = {
    message: 'Authentication successful!',
    access_token: tokens.accessToken,
    token_type: 'Bearer',
    refresh_token: tokens.refreshToken,
    expires_at: new Date(tokens.expiresAt).toISOString(),
    expires_in: tokens.expiresInSeconds,
    scope: scope.join(' '),
    account: { id: account.id, username: account.username, name: account.name },
  };
}
