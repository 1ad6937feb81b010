import { ProblemError } from '#libs/problem/problem.ts';
import type { NoticeView } from '../pages/sign-in-pages.ts';

/** Why a sign-in did not lead to an account. */
export type FaultReason =
  | 'expired'
  | 'other_browser'
  | 'denied'
  | 'x_refused'
  | 'x_away'
  | 'account_not_allowed';

/** A sign-in that failed for a reason that its user can be told. */
export class SignInFault extends Error {
  readonly reason: FaultReason;
  /** X username, where it is known. */
  readonly username: string | null;

  constructor(reason: FaultReason, { username, cause }: { username?: string; cause?: unknown } = {}) {
    super(`sign-in failed: ${reason}`, { cause });
    this.name = 'SignInFault';
    this.reason = reason;
    this.username = username ?? null;
  }
}

const startAgain = { href: '/startAuth', text: 'Start again' };

/** The fault as a page. `retry` leads to another try; without it, to a new sign-in. */
export function faultNotice(fault: SignInFault, retry: NoticeView['link'] = startAgain): NoticeView {
  return { ...notices[fault.reason](fault), link: retry };
}

/** The fault as an answer to a program. */
export function faultProblem(fault: SignInFault): ProblemError {
  const { text, advice } = notices[fault.reason](fault);
  const detail = advice === undefined ? text : `${text} ${advice}`;
  const codes = {
    expired: 'bad_request',
    other_browser: 'bad_request',
    denied: 'forbidden',
    x_refused: 'bad_request',
    x_away: 'x_unavailable',
    account_not_allowed: 'account_not_allowed',
  } as const;
  return new ProblemError(codes[fault.reason], detail, {
    cause: fault,
    ...(fault.reason === 'x_away' && { retryAfterSeconds: 30 }),
  });
}

const notices: Record<FaultReason, (fault: SignInFault) => NoticeView> = {
  expired: () => ({
    status: 400,
    title: 'This sign-in has expired',
    text: 'The link was used before, or more than ten minutes have passed since it was made.',
    advice: 'Start the sign-in again.',
  }),
  other_browser: () => ({
    status: 400,
    title: 'This sign-in began elsewhere',
    text: 'For your safety, a sign-in has to end in the browser in which it began, with cookies allowed.',
    advice: 'Start it again here.',
  }),
  denied: () => ({
    status: 403,
    title: 'Nothing was connected',
    text: 'You did not allow the connection at X. Nothing has changed.',
  }),
  x_refused: () => ({
    status: 400,
    title: 'X did not accept the sign-in',
    text: 'X refused to complete it. That happens when it takes too long.',
    advice: 'Start it again. If it fails again, tell whoever runs this server.',
  }),
  x_away: () => ({
    status: 502,
    title: 'X does not answer',
    text: 'X could not be reached to complete the sign-in. Nothing has changed.',
    advice: 'Try again in a minute.',
  }),
  account_not_allowed: ({ username }) => ({
    status: 403,
    title: 'This account may not connect here',
    text: `Whoever runs this server allows certain X accounts only, and @${username} is not among them.`,
    advice: 'Sign in at X with another account, or ask for this one to be allowed.',
  }),
};
