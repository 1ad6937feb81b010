import { createHmac } from 'node:crypto';
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import type { Account, AccountStore } from '#libs/accounts/account-store.ts';
import { sendPage } from '../pages/page.ts';
import { consentPage, noticePage } from '../pages/sign-in-pages.ts';
import type { Purpose } from './attempts.ts';
import { BodyError, type Parameters, readParameters } from './body.ts';
import type { BrowserCookie } from './browser.ts';
import type { ConsentMemory } from './consent-memory.ts';
import {
  denied,
  endInteraction,
  type Interaction,
  openInteraction,
  parametersOf,
  seeOther,
} from './interactions.ts';
import { reach } from './reach.ts';
import { planScope } from './scope.ts';
import { isSame } from './secrets.ts';
import { faultNotice, SignInFault } from './sign-in-fault.ts';
import type { TokenDesk } from './tokens.ts';
import type { XSignIn } from './x-sign-in.ts';

/** The user's decision about a client, between `/oauth/authorize` and the way back to the client. */
export interface Consent {
  /** `GET /oauth/consent/…`: our page, or straight on to X where the same was allowed before. */
  show(ctx: Context): Promise<void>;
  /** `POST /oauth/consent/…`: the decision. */
  decide(ctx: Context): Promise<void>;
  /** Goes on after X. */
  afterX(ctx: Context, purpose: ClientPurpose, outcome: Account | SignInFault): Promise<void>;
}

type ClientPurpose = Purpose & { readonly kind: 'client' };

interface ConsentOptions {
  readonly provider: Provider;
  readonly desk: TokenDesk;
  readonly xSignIn: XSignIn;
  readonly accounts: AccountStore;
  readonly browserCookie: BrowserCookie;
  readonly memory: ConsentMemory;
  readonly csrfKey: string;
  /** Where X asks its users. */
  readonly xOrigin: string;
}

export function createConsent(options: ConsentOptions): Consent {
  return {
    show: (ctx) => show(ctx, options),
    decide: (ctx) => decide(ctx, options),
    afterX: (ctx, purpose, outcome) => afterX(ctx, purpose, outcome, options),
  };
}

async function show(ctx: Context, options: ConsentOptions): Promise<void> {
  const interaction = await openInteraction(ctx, options.provider);
  const request = parametersOf(interaction);
  if (planScope(request.scope).length === 0) {
    const error_description = 'none of the requested scopes exists here';
    return await endInteraction(ctx, interaction, { error: 'invalid_scope', error_description });
  }
  const account = await signedIn(interaction, options);
  const rememberedFor = await options.memory.find(options.browserCookie.require(ctx), request);
  if (account === null && rememberedFor !== null && !request.prompt.includes('consent'))
    return await toX(ctx, { interaction: interaction.uid, approved: false, rememberedFor }, options);
  await render(ctx, interaction, account, options);
}

async function decide(ctx: Context, options: ConsentOptions): Promise<void> {
  const interaction = await openInteraction(ctx, options.provider);
  const sent = new Map(await readForm(ctx));
  if (!isSame(sent.get('csrf_token') ?? '', csrfToken(ctx, interaction, options)))
    throw new SignInFault('request_expired');
  if (sent.get('decision') !== 'approve') return await endInteraction(ctx, interaction, denied);
  const account = await signedIn(interaction, options);
  if (account) return await complete(ctx, interaction, account, options);
  await toX(ctx, { interaction: interaction.uid, approved: true, rememberedFor: null }, options);
}

async function readForm(ctx: Context): Promise<Parameters> {
  try {
    return await readParameters(ctx);
  } catch (error) {
    if (error instanceof BodyError) throw new SignInFault('request_expired', { cause: error });
    throw error;
  }
}

async function afterX(
  ctx: Context,
  purpose: ClientPurpose,
  outcome: Account | SignInFault,
  options: ConsentOptions,
): Promise<void> {
  const interaction = await options.provider.Interaction.find(purpose.interaction);
  if (!interaction) throw new SignInFault('request_expired');
  if (outcome instanceof SignInFault) {
    if (outcome.reason === 'denied') return await endInteraction(ctx, interaction, denied);
    const retry = { href: `/oauth/consent/${interaction.uid}`, text: 'Try again' };
    return sendPage(ctx, noticePage({ ...faultNotice(outcome), link: retry }));
  }
  if (purpose.approved || purpose.rememberedFor === outcome.id)
    return await complete(ctx, interaction, outcome, options);
  // What one account allowed, another one did not: ask on our page, now with the name.
  interaction.result = { login: { accountId: outcome.id } };
  await interaction.persist();
  seeOther(ctx, `/oauth/consent/${interaction.uid}`);
}

async function toX(
  ctx: Context,
  purpose: Omit<ClientPurpose, 'kind'>,
  { xSignIn }: ConsentOptions,
): Promise<void> {
  seeOther(ctx, (await xSignIn.begin(ctx, { kind: 'client', ...purpose })).url);
}

async function complete(
  ctx: Context,
  interaction: Interaction,
  account: Account,
  { desk, memory, browserCookie }: ConsentOptions,
): Promise<void> {
  const request = parametersOf(interaction);
  const { clientId, scope, resources } = request;
  const grantedByX = account.scope;
  const accountId = account.id;
  const grantId = await desk.grant({ accountId, clientId, planned: planScope(scope), grantedByX, resources });
  await memory.remember(browserCookie.require(ctx), request, { accountId, grantId });
  await endInteraction(ctx, interaction, { login: { accountId, remember: false }, consent: { grantId } });
}

async function render(
  ctx: Context,
  interaction: Interaction,
  account: Account | null,
  options: ConsentOptions,
): Promise<void> {
  const { clientId, redirectUri, scope } = parametersOf(interaction);
  const client = await options.provider.Client.find(clientId);
  const page = consentPage({
    clientName: client?.clientName ?? clientId,
    // A client of that kind names itself: only the host of its document is known for sure.
    clientHost: URL.parse(clientId)?.host || null,
    redirectUri,
    scope: planScope(scope),
    username: account?.username ?? null,
    csrfToken: csrfToken(ctx, interaction, options),
    formTargets: formTargets(options.xOrigin, redirectUri),
  });
  sendPage(ctx, page);
}

/** The account that has signed in at X already, when only the consent is missing. */
async function signedIn({ result }: Interaction, { accounts }: ConsentOptions): Promise<Account | null> {
  const accountId = result?.login?.accountId;
  return accountId === undefined ? null : await reach(() => accounts.find(accountId));
}

/** Proves that a form came from our page, in this browser and for this request. */
function csrfToken(ctx: Context, { uid }: Interaction, { csrfKey, browserCookie }: ConsentOptions): string {
  return createHmac('sha256', csrfKey)
    .update(`${uid} ${browserCookie.require(ctx)}`)
    .digest('base64url');
}

/**
 * The form leads to X and from there to the client, and browsers hold `form-action` against every redirect on the way.
 * Clients redirect on within https as they like; anything else is allowed for this one address.
 */
function formTargets(xOrigin: string, redirectUri: string): readonly string[] {
  const client = URL.parse(redirectUri);
  const clientSource = client && client.origin !== 'null' ? client.origin : (client?.protocol ?? 'https:');
  return ['https:', ...[xOrigin, clientSource].filter((source) => !source.startsWith('https:'))];
}
