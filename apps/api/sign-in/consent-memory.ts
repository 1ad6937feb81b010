import type { Redis } from 'ioredis';
import { z } from 'zod';
import { browserDays } from './browser.ts';
import type { AuthorizationParameters } from './interactions.ts';
import type { OidcStore } from './oidc-store.ts';
import { reach } from './reach.ts';
import { planScope } from './scope.ts';
import { hashOf } from './secrets.ts';

const Consent = z.object({ accountId: z.string(), grantId: z.string() });

/** Which requests were allowed before: by client, redirect URI, scopes and resources, in one browser. */
export interface ConsentMemory {
  /** The account that allowed the same. Forgotten as soon as what came of it was revoked. */
  find(browser: string, request: AuthorizationParameters): Promise<string | null>;
  remember(
    browser: string,
    request: AuthorizationParameters,
    consent: { readonly accountId: string; readonly grantId: string },
  ): Promise<void>;
}

export function createConsentMemory(redis: Redis, store: OidcStore): ConsentMemory {
  return {
    async find(browser, request) {
      const text = await reach(() => redis.get(keyOf(browser, request)));
      if (text === null) return null;
      const { accountId, grantId } = Consent.parse(JSON.parse(text));
      return (await store.isGrantAlive(grantId)) ? accountId : null;
    },
    async remember(browser, request, { accountId, grantId }) {
      const text = JSON.stringify({ accountId, grantId });
      await reach(() => redis.set(keyOf(browser, request), text, 'EX', browserDays * 86_400));
    },
  };
}

function keyOf(
  browser: string,
  { clientId, redirectUri, scope, resources }: AuthorizationParameters,
): string {
  return `consent:${hashOf(JSON.stringify([browser, clientId, redirectUri, planScope(scope), resources]))}`;
}
