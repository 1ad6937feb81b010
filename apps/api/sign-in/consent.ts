import { createHmac } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Context } from 'koa';
import { errors, type Provider } from 'oidc-provider';
import type { Account, AccountStore } from '#libs/accounts/account-store.ts';
import { sendPage } from '../pages/page.ts';
import { consentPage, noticePage } from '../pages/sign-in-pages.ts';
import type { Purpose } from './attempts.ts';
import { readParameters } from './body.ts';
import { type BrowserCookie, browserDays } from './browser.ts';
import { reach } from './reach.ts';
import { planScope } from './scope.ts';
import { hashOf, isSame } from './secrets.ts';
import { faultNotice, SignInFault } from './sign-in-fault.ts';
import type { TokenDesk } from './tokens.ts';
import type { XSignIn } from './x-sign-in.ts';

type Interaction = InstanceType<Provider['Interaction']>;

/** The user's decision about a client, between `/oauth/authorize` and the way back to the client. */
export interface Consent {
  /** `GET /oauth/consent/…`: our page, or straight on to X where the same was allowed before. */
  show(ctx: Context): Promise<void>;
  /** `POST /oauth/consent/…`: the decision. */
  decide(ctx: Context): Promise<void>;
  /** Goes on after X. */
  afterX(ctx: Context, purpose: Purpose & { kind: 'client' }, outcome: Account | SignInFault): Promise<void>;
}

interface ConsentOptions {
  readonly provider: Provider;
  readonly desk: TokenDesk;
  readonly xSignIn: XSignIn;
  readonly accounts: AccountStore;
  readonly browserCookie: BrowserCookie;
  readonly redis: Redis;
  readonly csrfKey: string;
  readonly xOrigin: string;
}

export function createConsent(options: ConsentOptions): Consent {
  const { provider, accounts, browserCookie, xSignIn } = options;
  const csrfToken = (interaction: Interaction, browser: string) =>
    createHmac('sha256', options.csrfKey).update(`${interaction.uid} ${browser}`).digest('base64url');
  return {
    async show(ctx) {
      const interaction = await openInteraction(ctx, provider);
      const { scope, prompt } = parametersOf(interaction);
      if (planScope(scope).length === 0)
        return await endInteraction(ctx, interaction, {
          error: 'invalid_scope',
          error_description: 'none of the requested scopes exists here',
        });
      const browser = browserCookie.require(ctx);
      const accountId = interaction.result?.login?.accountId;
      const rememberedFor = await findConsent(options, browser, interaction);
      if (accountId === undefined && rememberedFor !== null && !prompt.includes('consent'))
        return await toX(ctx, { interaction, approved: false, rememberedFor, xSignIn });
      const account = accountId === undefined ? null : await reach(() => accounts.find(accountId));
      await render(ctx, interaction, account?.username ?? null, csrfToken(interaction, browser));
    },
    async decide(ctx) {
      const interaction = await openInteraction(ctx, provider);
      const sent = new Map(await readParameters(ctx));
      const browser = browserCookie.require(ctx);
      if (!isSame(sent.get('csrf_token') ?? '', csrfToken(interaction, browser)))
        throw new SignInFault('expired');
      if (sent.get('decision') !== 'approve') return await endInteraction(ctx, interaction, denied);
      const accountId = interaction.result?.login?.accountId;
      const account = accountId === undefined ? null : await reach(() => accounts.find(accountId));
      if (account) return await complete(ctx, interaction, account);
      await toX(ctx, { interaction, approved: true, rememberedFor: null, xSignIn });
    },
    async afterX(ctx, purpose, outcome) {
      const interaction = await provider.Interaction.find(purpose.interaction);
      if (!interaction) throw new SignInFault('expired');
      if (outcome instanceof SignInFault) {
        if (outcome.reason === 'denied') return await endInteraction(ctx, interaction, denied);
        const retry = { href: `/oauth/consent/${interaction.uid}`, text: 'Try again' };
        return sendPage(ctx, noticePage(faultNotice(outcome, retry)));
      }
      if (purpose.approved || purpose.rememberedFor === outcome.id)
        return await complete(ctx, interaction, outcome);
      // What one account allowed, another one did not: ask on our page, now with the name.
      interaction.result = { login: { accountId: outcome.id } };
      await interaction.persist();
      seeOther(ctx, `/oauth/consent/${interaction.uid}`);
    },
  };

  async function render(ctx: Context, interaction: Interaction, username: string | null, token: string) {
    const { clientId, redirectUri, scope } = parametersOf(interaction);
    const client = await provider.Client.find(clientId);
    sendPage(
      ctx,
      consentPage({
        clientName: client?.clientName ?? clientId,
        redirectUri,
        scope: planScope(scope),
        username,
        csrfToken: token,
        formTargets: formTargets(options.xOrigin, redirectUri),
      }),
    );
  }

  async function complete(ctx: Context, interaction: Interaction, account: Account) {
    const { clientId, scope, resources } = parametersOf(interaction);
    await rememberConsent(options, browserCookie.require(ctx), interaction, account.id);
    const grantId = await options.desk.grant({
      accountId: account.id,
      clientId,
      planned: planScope(scope),
      grantedByX: account.scope,
      resources,
    });
    await endInteraction(ctx, interaction, {
      login: { accountId: account.id, remember: false },
      consent: { grantId },
    });
  }
}

const denied = { error: 'access_denied', error_description: 'the user did not allow it' };

async function toX(
  ctx: Context,
  {
    interaction,
    approved,
    rememberedFor,
    xSignIn,
  }: { interaction: Interaction; approved: boolean; rememberedFor: string | null; xSignIn: XSignIn },
): Promise<void> {
  const purpose = { kind: 'client', interaction: interaction.uid, approved, rememberedFor } as const;
  seeOther(ctx, (await xSignIn.begin(ctx, purpose)).url);
}

/** Leaves the result where oidc-provider looks for it, and goes there: it answers the client. */
async function endInteraction(
  ctx: Context,
  interaction: Interaction,
  result: Interaction['result'],
): Promise<void> {
  interaction.result = result;
  await interaction.persist();
  seeOther(ctx, interaction.returnTo);
}

async function openInteraction(ctx: Context, provider: Provider): Promise<Interaction> {
  try {
    return await provider.interactionDetails(ctx.req, ctx.res);
  } catch (cause) {
    if (cause instanceof errors.SessionNotFound) throw new SignInFault('expired', { cause });
    throw cause;
  }
}

/** 303 and never 307, which would send the form's fields along (RFC 9700 section 4.12). */
function seeOther(ctx: Context, url: string): void {
  ctx.status = 303;
  ctx.redirect(url);
}

/** What oidc-provider has checked and kept of the authorization request. */
function parametersOf({ params }: Interaction) {
  const text = (name: string) => (typeof params[name] === 'string' ? params[name] : undefined);
  const { resource } = params;
  return {
    clientId: text('client_id') ?? '',
    redirectUri: text('redirect_uri') ?? '',
    scope: text('scope'),
    prompt: (text('prompt') ?? '').split(' '),
    resources: [resource].flat().filter((value) => typeof value === 'string'),
  };
}

function consentKey(browser: string, interaction: Interaction): string {
  const { clientId, redirectUri, scope, resources } = parametersOf(interaction);
  return `consent:${hashOf(JSON.stringify([browser, clientId, redirectUri, planScope(scope), resources]))}`;
}

/** The account that allowed the same before in this browser. */
function findConsent(
  { redis }: ConsentOptions,
  browser: string,
  interaction: Interaction,
): Promise<string | null> {
  return reach(() => redis.get(consentKey(browser, interaction)));
}

function rememberConsent(
  { redis }: ConsentOptions,
  browser: string,
  interaction: Interaction,
  accountId: string,
) {
  return reach(() => redis.set(consentKey(browser, interaction), accountId, 'EX', browserDays * 86_400));
}

/**
 * The form leads to X and from there to the client, and browsers hold `form-action` against every redirect on the way.
 * Clients redirect on within https as they like; anything else is allowed for this one address.
 */
function formTargets(xOrigin: string, redirectUri: string): readonly string[] {
  const client = URL.parse(redirectUri);
  const clientSource = client && client.origin !== 'null' ? client.origin : client?.protocol;
  return [...new Set(['https:', xOrigin, ...(clientSource ? [clientSource] : [])])].filter(
    (source) => source === 'https:' || !source.startsWith('https:'),
  );
}
