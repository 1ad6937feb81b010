import { creditsDepleted } from './refusals.ts';
import type { Settings } from './settings.ts';

/** US dollars per act (x-api/getting-started/pricing); what is not listed is free. */
export const prices = {
  post: 0.015,
  postWithUrl: 0.2,
  summonedReply: 0.01,
  deletePost: 0.01,
  altText: 0.005,
  readPost: 0.005,
  readUser: 0.01,
} as const;

/** The prepaid credits of each app. */
export class Credits {
  readonly #settings: Settings;
  readonly #left = new Map<string, number>();
  readonly #spent = new Map<string, number>();

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** US dollars left, or null where there is no limit. */
  left(clientId: string): number | null {
    return this.#left.get(clientId) ?? this.#settings.creditsUsd;
  }

  /** US dollars an app has spent since the last reset. */
  spent(clientId: string): number {
    return this.#spent.get(clientId) ?? 0;
  }

  set(clientId: string, usd: number): void {
    this.#left.set(clientId, usd);
  }

  /** Takes the price of an act, or throws X's 402; a price of 0 still wants an account that is not empty. */
  charge(clientId: string, usd: number): void {
    const left = this.left(clientId);
    if (left !== null) {
      if (left <= 0 || left < usd) throw creditsDepleted(accountIdOf(clientId));
      this.#left.set(clientId, roundToMicros(left - usd));
    }
    this.#spent.set(clientId, roundToMicros(this.spent(clientId) + usd));
  }

  clear(): void {
    this.#left.clear();
    this.#spent.clear();
  }
}

/** X bills an account, not a client id: any number that stays the same will do. */
function accountIdOf(clientId: string): string {
  let number = 7n;
  for (const byte of Buffer.from(clientId)) number = (number * 31n + BigInt(byte)) % 10n ** 18n;
  return (10n ** 18n + number).toString();
}

function roundToMicros(usd: number): number {
  return Math.round(usd * 1e6) / 1e6;
}
