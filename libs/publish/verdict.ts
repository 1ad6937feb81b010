import type { ProblemCode } from '#libs/problem/problem.ts';
import { XAnswerError, XUnreachableError } from '#libs/x-api/errors.ts';

/** What the evidence of one `POST /2/tweets` says about whether the post exists. */
export type Verdict =
  | { readonly kind: 'created'; readonly tweetId: string }
  /** It exists, under an id that X did not tell: look for it, never send again. */
  | { readonly kind: 'created_no_id' }
  /** Proof that the request never left. */
  | { readonly kind: 'not_sent' }
  /** The same, and X has no part in it: this worker was too slow, or was no longer allowed to. */
  | { readonly kind: 'held_back' }
  /** X refused this post for good; nothing exists. */
  | {
      readonly kind: 'rejected';
      readonly code: ProblemCode;
      readonly detail: string;
      readonly cure: Cure | null;
      /** X gave no reason that could be read: it may have been that it has this text already. */
      readonly mayBeDuplicate?: true;
    }
  | { readonly kind: 'token' }
  | { readonly kind: 'credits' }
  /** X has a post with this text: perhaps ours. */
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'limited' }
  | { readonly kind: 'unknown' };

/** A refusal that one more try may cure: media uploaded anew, or a moment for X to show the post replied to. */
export type Cure = 'media_again' | 'reply_later';

type CreateOutcome = { readonly id: string | null } | { readonly error: unknown };

const duplicateText = /duplicate content/i;
const invalidMedia = /media ids? (are|is) invalid/i;

/** The answer table for creating a post (X API v2, "Create Post"; errors as X really sends them). */
export function judgeCreate(outcome: CreateOutcome): Verdict {
  if ('id' in outcome) {
    return outcome.id === null ? { kind: 'created_no_id' } : { kind: 'created', tweetId: outcome.id };
  }
  const { error } = outcome;
  if (error instanceof XUnreachableError) return error.sent ? { kind: 'unknown' } : { kind: 'not_sent' };
  if (error instanceof XAnswerError) return judgeAnswer(error);
  // A bug of ours in the middle of a send proves nothing about X.
  return { kind: 'unknown' };
}

function judgeAnswer(answer: XAnswerError): Verdict {
  const { status } = answer;
  if (status === 401) return { kind: 'token' };
  if (status === 402) return { kind: 'credits' };
  if (status === 429) return { kind: 'limited' };
  if (status === 408 || status >= 500) return { kind: 'unknown' };
  if (status >= 300 && status < 400) {
    const detail = 'X answered with a redirect. The operator has to check X_API_URL.';
    return { kind: 'rejected', code: 'x_misconfigured', detail, cure: null };
  }
  if (status === 403 && duplicateText.test(wordsOf(answer))) return { kind: 'duplicate' };
  return judgeRefusal(answer);
}

function judgeRefusal(answer: XAnswerError): Verdict {
  const words = wordsOf(answer);
  const reason = answer.messages[0] || answer.detail || answer.title;
  const detail = reason ? `X refused the post: ${reason}` : `X refused the post (status ${answer.status}).`;
  if (invalidMedia.test(words))
    return { kind: 'rejected', code: 'media_expired', detail, cure: 'media_again' };
  if (answer.code === 385) return { kind: 'rejected', code: 'rejected_by_x', detail, cure: 'reply_later' };
  if (answer.status === 403) {
    const silent = words.trim() === '' && answer.type === '' && { mayBeDuplicate: true as const };
    return { kind: 'rejected', cure: null, detail, code: codeOfForbidden(answer), ...silent };
  }
  return { kind: 'rejected', code: 'rejected_by_x', detail, cure: null };
}

function codeOfForbidden(answer: XAnswerError): ProblemCode {
  if (answer.type === 'client-forbidden' || answer.type === 'unsupported-authentication')
    return 'x_misconfigured';
  // X's bare "Forbidden" is how it says that the token lacks a scope.
  if (answer.title === 'Forbidden' && (answer.detail === 'Forbidden' || answer.detail === ''))
    return 'missing_scope';
  return 'x_forbidden';
}

function wordsOf(answer: XAnswerError): string {
  return [answer.title, answer.detail, ...answer.messages].join(' ');
}
