import type { WaitReason } from '#libs/jobs/job.ts';
import { XAnswerError, XUnreachableError } from '#libs/x-api/errors.ts';
import type { XCall, XEndpoint, XExchange } from '#libs/x-api/x-api.ts';
import type { Closed } from './gate.ts';
import type { GateOfCalls } from './gate-lots.ts';
import type { PublishDeps } from './publisher.ts';

/** A gate of X's limits is closed: nothing was called. */
export class GateClosedError extends Error {
  /** Epoch ms by Redis' clock. */
  readonly until: number;
  readonly waitMs: number;
  readonly reason: WaitReason;
  constructor({ until, waitMs, reason }: Omit<Closed, 'open'>) {
    super(`closed until ${new Date(until).toISOString()} (${reason})`);
    this.name = 'GateClosedError';
    this.until = until;
    this.waitMs = waitMs;
    this.reason = reason;
  }
}

type Deps = Pick<PublishDeps, 'vault' | 'calls'> & { readonly gate: GateOfCalls };

/** For whoever waits until the gate opens. */
export const toError = (closed: Closed) => new GateClosedError(closed);

/** A call to X: for which job of which account. */
interface XErrand {
  readonly jobId: string;
  readonly accountId: string;
  readonly endpoint: XEndpoint;
  readonly signal?: AbortSignal;
}

/**
 * One call to X for an account: through the gate, with a fresh token, renewed once when X answers 401.
 * For everything but creating a post, which has its own, stricter order of steps.
 */
export async function callX<T>(
  deps: Deps,
  { jobId, accountId, endpoint, signal }: XErrand,
  run: (call: XCall) => Promise<T>,
): Promise<T> {
  const token = await deps.vault.accessToken(accountId);
  try {
    return await callOnce(token);
  } catch (error) {
    if (!(error instanceof XAnswerError) || error.status !== 401) throw error;
    return await callOnce(await deps.vault.accessToken(accountId, { rejected: token }));
  }

  async function callOnce(accessToken: string): Promise<T> {
    const passage = await deps.gate.take(accountId, endpoint);
    if (!passage.open) throw toError(passage);
    const exchanges: XExchange[] = [];
    try {
      return await run({ token: accessToken, signal, observe: (exchange) => exchanges.push(exchange) });
    } catch (error) {
      const made = exchanges.length > 0 && !(error instanceof XUnreachableError && !error.sent);
      if (!made) await deps.gate.putBack(accountId, endpoint, passage.ticket).catch(() => {});
      throw error;
    } finally {
      for (const exchange of exchanges) deps.calls.tell(jobId, exchange);
      // A call that we broke off ourselves says nothing about X.
      const told = exchanges.filter(({ status }) => status !== null || !signal?.aborted);
      // What the gate learns saves calls; losing it costs at most one refused call.
      await Promise.all(told.map((exchange) => deps.gate.learn(accountId, exchange))).catch(() => {});
    }
  }
}
