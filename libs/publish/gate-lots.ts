import type { XEndpoint, XExchange } from '#libs/x-api/x-api.ts';
import type { Gate, Passage, Ticket } from './gate.ts';

/** What a caller of X needs of a gate. */
export type GateOfCalls = Pick<Gate, 'take' | 'putBack' | 'learn'>;

/** How long calls that were let through may be kept for later: what they were let through by may change. */
const keptMs = 2000;

interface Lots {
  readonly accountId: string;
  readonly endpoint: XEndpoint;
  /** Calls asked for at a time. */
  readonly most: number;
}

/**
 * A gate whose calls to one endpoint of one account are asked for several at a time, with one question to Redis for
 * all of them. Any other call goes to `gate` itself. Disposing of it puts back what was not used.
 */
export function takeInLots(gate: Gate, { accountId, endpoint, most }: Lots): GateOfCalls & AsyncDisposable {
  let held = 0;
  let ticket: Ticket = [];
  let heldUntil = 0;
  let asking: Promise<Passage> | null = null;

  async function giveUp(): Promise<void> {
    const calls = held;
    held = 0;
    // Losing them costs calls until X's next window; it must cost no upload that has succeeded, and no lesson.
    if (calls > 0) await gate.putBack(accountId, endpoint, ticket, calls).catch(() => {});
  }

  async function ask(): Promise<Passage> {
    await giveUp();
    const passage = await gate.takeSome(accountId, endpoint, most);
    if (!passage.open) return passage;
    held = passage.calls;
    ticket = passage.ticket;
    heldUntil = performance.now() + keptMs;
    return passage;
  }

  const isOurs = (account: string, name: XEndpoint) => account === accountId && name === endpoint;
  return {
    async take(account, name) {
      if (!isOurs(account, name)) return await gate.take(account, name);
      while (held === 0 || performance.now() > heldUntil) {
        asking ??= ask().finally(() => {
          asking = null;
        });
        const passage = await asking;
        if (!passage.open) return passage;
      }
      held -= 1;
      return { open: true, ticket };
    },
    putBack: gate.putBack,
    async learn(account: string, exchange: XExchange) {
      const { status } = exchange;
      // A refusal concerns those that were let through before it as well.
      if (status === null || status === 429 || status === 402 || status >= 500) await giveUp();
      await gate.learn(account, exchange);
    },
    [Symbol.asyncDispose]: giveUp,
  };
}
