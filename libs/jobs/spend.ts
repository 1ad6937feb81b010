import type { Redis } from 'ioredis';
import { prepareScript } from '#libs/redis/script.ts';

/** Sums are kept in thousandths of a US dollar: whole numbers, which add up exactly. */
const thousandths = (usd: number): number => Math.round(usd * 1000);
const keptMs = 400 * 24 * 60 * 60 * 1000;

const bookLua = `#!lua
for _, key in ipairs(KEYS) do
  if redis.call('INCRBY', key, ARGV[1]) == tonumber(ARGV[1]) then redis.call('PEXPIRE', key, ARGV[2]) end
end
return 1`;

/** What a billed call adds to which sums, for whoever books it together with something else. */
export interface Charge {
  readonly keys: readonly string[];
  readonly thousandths: number;
  readonly keptMs: number;
}

export interface Budgets {
  /** US dollars a month; null: no limit. */
  readonly perAccountUsd: number | null;
  readonly deploymentUsd: number | null;
}

export interface SpendReport {
  /** Calendar month in UTC, as in 2026-11. */
  readonly month: string;
  readonly spentUsd: number;
  readonly budgetUsd: number | null;
}

/** What X has charged this month, by its price list, for each account and for the whole deployment. */
export type Spend = ReturnType<typeof createSpend>;

export function createSpend({
  redis,
  budgets,
  now = Date.now,
}: {
  redis: Redis;
  budgets: Budgets;
  now?: () => number;
}) {
  const bookScript = prepareScript(redis, bookLua);
  const monthOf = () => new Date(now()).toISOString().slice(0, 7);
  const keyOf = (owner: string) => `spend:${owner}:${monthOf()}`;

  const chargeOf = (accountId: string, usd: number): Charge => ({
    keys: [keyOf(accountId), keyOf('all')],
    thousandths: thousandths(usd),
    keptMs,
  });

  /** Books a billed call. Losing a booking costs accuracy, never a post: it is not waited for with anything at stake. */
  async function book(accountId: string, usd: number): Promise<void> {
    const charge = chargeOf(accountId, usd);
    await bookScript(charge.keys, [charge.thousandths, charge.keptMs]);
  }

  async function read(accountId: string): Promise<{ accountUsd: number; allUsd: number }> {
    const [own, all] = await redis.mget(keyOf(accountId), keyOf('all'));
    return { accountUsd: Number(own ?? 0) / 1000, allUsd: Number(all ?? 0) / 1000 };
  }

  async function report(accountId: string): Promise<SpendReport> {
    const { accountUsd } = await read(accountId);
    return { month: monthOf(), spentUsd: accountUsd, budgetUsd: budgets.perAccountUsd };
  }

  /** What all accounts together have spent. */
  async function total(): Promise<SpendReport> {
    const spentUsd = Number((await redis.get(keyOf('all'))) ?? 0) / 1000;
    return { month: monthOf(), spentUsd, budgetUsd: budgets.deploymentUsd };
  }

  /** The sentence that refuses a post of this price; null while the budgets allow it. */
  async function refusal(accountId: string, usd: number): Promise<string | null> {
    if (budgets.perAccountUsd === null && budgets.deploymentUsd === null) return null;
    const { accountUsd, allUsd } = await read(accountId);
    const over = (sum: number, budget: number | null) =>
      budget !== null && thousandths(sum + usd) > thousandths(budget);
    const price = `This post costs $${usd.toFixed(3)}`;
    if (over(accountUsd, budgets.perAccountUsd))
      return `${price}, and $${accountUsd.toFixed(3)} of this account's monthly budget of $${budgets.perAccountUsd?.toFixed(2)} are spent. Wait for the next month or ask the operator.`;
    if (over(allUsd, budgets.deploymentUsd))
      return `${price}, and the monthly budget of this server is used up. Wait for the next month or ask the operator.`;
    return null;
  }

  return { book, chargeOf, report, total, refusal };
}
