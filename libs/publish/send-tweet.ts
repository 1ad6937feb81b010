import { randomUUID } from 'node:crypto';
import type { Job } from '#libs/jobs/job.ts';
import type { Order } from '#libs/jobs/order.ts';
import type { XExchange } from '#libs/x-api/x-api.ts';
import { planIntent, sendDeadlineMs } from './intent.ts';
import type { PublishDeps, RunContext } from './publisher.ts';
import { recordOutcome } from './record-outcome.ts';
import { toDraft } from './tweet-draft.ts';
import { judgeCreate, type Verdict } from './verdict.ts';
import { toError } from './x-call.ts';

/** A token that ends in the middle of a send would leave its outcome open. */
const tokenMustLastMs = 2 * 60_000;

/** What came of trying to send; `rejectedToken` is one that X answered 401 to. */
export interface SendResult {
  readonly verdict: Verdict | null;
  readonly rejectedToken?: string;
  /** Which guard of the record did not hold. */
  readonly refused?: string;
}

/**
 * Sends the present post of a `ready` job: token, gate, intent, request, outcome, in this order and once.
 * The intent is durable before the request, so that after a crash nobody takes the post for unsent.
 * `verdict` null: the record had moved on, nothing was sent.
 */
export async function sendTweet(
  deps: PublishDeps,
  job: Job,
  order: Order,
  run: RunContext & { readonly owner: string; readonly rejectedToken?: string | undefined },
): Promise<SendResult> {
  const token = await deps.vault.accessToken(job.accountId, {
    minValidMs: tokenMustLastMs,
    rejected: run.rejectedToken ?? (await tokenInDoubt(deps, job)),
  });
  const passage = await deps.gate.take(job.accountId, 'create_tweet');
  if (!passage.open) throw toError(passage);
  /** The call that was counted is not made: another post of the account goes first, for instance. */
  const putBack = () => deps.gate.putBack(job.accountId, 'create_tweet').catch(() => {});
  if (run.signal.aborted) await putBack();
  run.signal.throwIfAborted();

  const attemptId = randomUUID();
  // Counted from before the script was issued, on a clock that does not jump and that a frozen process cannot fool.
  const issuedAt = performance.now();
  const { name, facts } = planIntent(job, { owner: run.owner, attemptId });
  const begun = await deps.jobs.move(job.id, name, facts);
  if (!begun.done) {
    await putBack();
    return { verdict: null, refused: begun.reason };
  }
  const attempt = { ...job, attemptId, intentAt: begun.at, fence: job.fence + 1 };
  if (performance.now() - issuedAt >= sendDeadlineMs || !run.mayAct()) {
    await recordOutcome(deps, attempt, order, { kind: 'not_sent' });
    await putBack();
    return { verdict: { kind: 'not_sent' } };
  }
  // The point of no return: no signal is passed on, the answer is awaited and recorded whatever else happens.
  const exchanges: XExchange[] = [];
  const verdict = await deps.x
    .createTweet(toDraft(job, order), { token, observe: (exchange) => exchanges.push(exchange) })
    .then((created) => judgeCreate(created))
    .catch((error: unknown) => judgeCreate({ error }));
  for (const exchange of exchanges) deps.calls.tell(job.id, exchange);
  const learn = () =>
    Promise.all(exchanges.map((exchange) => deps.gate.learn(job.accountId, exchange))).catch(() => {});
  // A refusal for now needs the gate's word on how long; after any other answer nothing may come before the record.
  if (verdict.kind === 'limited' || verdict.kind === 'credits') await learn();
  await recordOutcome(deps, attempt, order, verdict);
  if (verdict.kind === 'not_sent') await putBack();
  await learn();
  return verdict.kind === 'token' ? { verdict, rejectedToken: token } : { verdict };
}

/**
 * An earlier run got a 401, and died or gave up before it said that the token was renewed: the stored one may still
 * be the one that X refused, and a second 401 would end the job.
 */
async function tokenInDoubt(deps: PublishDeps, job: Job): Promise<string | undefined> {
  return job.renewedToken ? await deps.vault.accessToken(job.accountId, { minValidMs: 1 }) : undefined;
}
