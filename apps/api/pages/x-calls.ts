import type { JobCall } from '#libs/jobs/job-calls.ts';
import { type Html, html } from './html.ts';
import { timeOf } from './time.ts';

/** The latest calls to X for a job, oldest first: what an operator, or X's support, is asked about. */
export function callsOf(calls: readonly JobCall[]): Html {
  if (calls.length === 0) return html`<p class="soft small">None yet.</p>`;
  return html`<ol class="timeline">${calls.map(entryOf)}</ol>`;
}

function entryOf({ at, endpoint, status, durationMs, transactionId }: JobCall): Html {
  const answer = status === null ? 'no answer' : String(status);
  const named = transactionId === null ? '' : html` · transaction ${transactionId}`;
  return html`<li><code>${endpoint}</code> ${answer} <span class="soft small">after ${durationMs} ms, ${timeOf(at)}${named}</span></li>`;
}
