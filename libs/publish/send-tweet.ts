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
  /** Which guard of the record did not hold; `may_not_act`: this worker is kept from sending, and X has no part in it. */
  readonly refused?: string | undefined;
  /** The job has come to its end. */
  readonly ended?: boolean;
}

const heldBack: SendResult = { verdict: null, refused: 'may_not_act' };

/**
 * Sends the present post of a job: token, gate and intent, request, outcome, in this order and once.
 * The intent is durable before the request, so that after a crash nobody takes the post for unsent.
 * `verdict` null: the record had moved on, or this worker may not act; nothing was sent.
 */
export async function sendTweet(
  deps: PublishDeps,
  job: Job,
  order: Order,
  run: RunContext & { readonly owner: string; readonly rejectedToken?: string | undefined },
): Promise<SendResult> {
  if (!run.mayAct()) return heldBack;
  const token = await deps.vault.accessToken(job.accountId, {
    minValidMs: tokenMustLastMs,
    rejected: run.rejectedToken ?? (await tokenInDoubt(deps, job)),
  });
  run.signal.throwIfAborted();

  const attemptId = randomUUID();
  // Counted from before the script was issued, on a clock that does not jump and that a frozen process cannot fool.
  const issuedAt = performance.now();
  const { name, facts } = planIntent(job, { owner: run.owner, attemptId });
  // With the gate in one script: a call is counted when it is going to be made, and not before.
  const gate = deps.gate.condition(job.accountId, 'create_tweet');
  const { answer, result: begun } = await deps.jobs.moveIf(
    job.id,
    name,
    { ...facts, moveId: attemptId },
    gate,
  );
  const passage = answer === null ? null : gate.judge(answer);
  if (passage?.open === false) throw toError(passage);
  if (!begun?.done) return { verdict: null, refused: begun?.reason };
  const putBack = async () => {
    if (passage) await deps.gate.putBack(job.accountId, 'create_tweet', passage.ticket).catch(() => {});
  };
  const attempt = { ...job, attemptId, intentAt: begun.at, fence: job.fence + 1 };
  if (performance.now() - issuedAt >= sendDeadlineMs || !run.mayAct()) {
    await recordOutcome(deps, attempt, order, { kind: 'held_back' });
    await putBack();
    return heldBack;
  }
  // The point of no return: no signal is passed on, the answer is awaited and recorded whatever else happens.
  const exchanges: XExchange[] = [];
  const verdict = await deps.x
    .createTweet(toDraft(job, order), { token, observe: (exchange) => exchanges.push(exchange) })
    .then((created) => judgeCreate(created))
    .catch((error: unknown) => judgeCreate({ error }));
  const learn = () =>
    Promise.all(exchanges.map((exchange) => deps.gate.learn(job.accountId, exchange))).catch(() => {});
  // A refusal for now needs the gate's word on how long; after any other answer nothing may come before the record.
  if (verdict.kind === 'limited' || verdict.kind === 'credits') await learn();
  const { ended } = await recordOutcome(deps, attempt, order, verdict, exchanges);
  if (verdict.kind === 'not_sent') await putBack();
  await learn();
  return verdict.kind === 'token' ? { verdict, rejectedToken: token } : { verdict, ended };
}

/**
 * An earlier run got a 401, and died or gave up before it said that the token was renewed: the stored one may still
 * be the one that X refused, and a second 401 would end the job.
 */
async function tokenInDoubt(deps: PublishDeps, job: Job): Promise<string | undefined> {
  return job.renewedToken ? await deps.vault.accessToken(job.accountId, { minValidMs: 1 }) : undefined;
}
