import type { Redis } from 'ioredis';
import { z } from 'zod';
import { type Sealer, UnsealError } from '#libs/sealing/sealing.ts';
import { reach } from './reach.ts';
import { hashOf, isSame } from './secrets.ts';

/** Why the user was sent to X. */
export type Purpose =
  | {
      readonly kind: 'direct';
      /** Path of the page of ours that the browser goes back to; null: it is shown that it is connected. */
      readonly returnTo: string | null;
    }
  | {
      readonly kind: 'client';
      /** Id of oidc-provider's interaction, which waits for the result. */
      readonly interaction: string;
      /** The user approved on our page just now; otherwise a remembered consent of `rememberedFor` was used. */
      readonly approved: boolean;
      readonly rememberedFor: string | null;
    };

interface Attempt {
  readonly codeVerifier: string;
  readonly purpose: Purpose;
}

const StoredAttempt = z.object({
  codeVerifier: z.string(),
  browser: z.string(),
  purpose: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('direct'), returnTo: z.string().nullable().default(null) }),
    z.object({
      kind: z.literal('client'),
      interaction: z.string(),
      approved: z.boolean(),
      rememberedFor: z.string().nullable(),
    }),
  ]),
});

/** Sign-ins that are under way at X. */
export interface Attempts {
  /** Remembers the attempt for ten minutes under X's `state`. */
  begin(attempt: { readonly state: string; readonly browser: string } & Attempt): Promise<void>;
  /** Takes the attempt out, once. `other_browser`: it was begun elsewhere, and is over now as well. */
  take(state: string, browser: string | null): Promise<Attempt | 'unknown' | 'other_browser'>;
}

const lifeMs = 600_000;

export function createAttempts(redis: Redis, sealer: Sealer): Attempts {
  const context = (id: string) => ({ record: 'authreq', account: '', id });
  return {
    begin: ({ state, browser, codeVerifier, purpose }) =>
      reach(async () => {
        const id = hashOf(state);
        const stored = {
          codeVerifier: sealer.seal(codeVerifier, context(id)),
          browser: hashOf(browser),
          purpose,
        };
        await redis.set(`authreq:${id}`, JSON.stringify(stored), 'PX', lifeMs);
      }),
    take: (state, browser) =>
      reach(async () => {
        const id = hashOf(state);
        const text = await redis.getdel(`authreq:${id}`);
        if (text === null) return 'unknown';
        const stored = StoredAttempt.parse(JSON.parse(text));
        if (browser === null || !isSame(hashOf(browser), stored.browser)) return 'other_browser';
        const codeVerifier = openSealed(() => sealer.open(stored.codeVerifier, context(id)));
        return codeVerifier === null ? 'unknown' : { codeVerifier, purpose: stored.purpose };
      }),
  };
}

/** null: the key is gone since; such an attempt is over. */
function openSealed(open: () => string): string | null {
  try {
    return open();
  } catch (error) {
    if (error instanceof UnsealError) return null;
    throw error;
  }
}
