import { ProblemError } from '#libs/problem/problem.ts';
import type { NoticeView } from '../pages/sign-in-pages.ts';

/** Why a sign-in did not lead to an account. */
export type FaultReason =
  | 'expired'
  | 'request_expired'
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

/** The fault as a page. */
export function faultNotice(fault: SignInFault): NoticeView {
  return notices[fault.reason](fault);
}

/** The fault as an answer to a program. */
export function faultProblem(fault: SignInFault): ProblemError {
  const { text, advice } = notices[fault.reason](fault);
  const detail = advice === undefined ? text : `${text} ${advice}`;
  const codes = {
    expired: 'bad_request',
    request_expired: 'bad_request',
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

const startAgain = { href: '/startAuth', text: 'Connect an X account' };

const notices: Record<FaultReason, (fault: SignInFault) => NoticeView> = {
  expired: () => ({
    status: 400,
    title: 'This sign-in has expired',
    text: 'The link was used before, or more than ten minutes have passed since it was made.',
    advice: 'Go back to where you began and start again, or connect an account right here.',
    link: startAgain,
  }),
  request_expired: () => ({
    status: 400,
    title: 'This page has expired',
    text: 'It was answered before, or waited for too long.',
    advice: 'Go back to the app or assistant that you came from, and start the sign-in there again.',
  }),
  other_browser: () => ({
    status: 400,
    title: 'This sign-in began elsewhere',
    text: 'For your safety, a sign-in has to end in the browser in which it began, with cookies allowed.',
    advice: 'Go back to where you began, or connect an account right here.',
    link: startAgain,
  }),
  denied: () => ({
    status: 403,
    title: 'Nothing was connected',
    text: 'You did not allow the connection at X. Nothing has changed.',
    link: startAgain,
  }),
  x_refused: () => ({
    status: 400,
    title: 'X did not accept the sign-in',
    text: 'X refused to complete it. That happens when it takes too long.',
    advice: 'Start it again. If it fails again, tell whoever runs this server.',
    link: startAgain,
  }),
  x_away: () => ({
    status: 502,
    title: 'X does not answer',
    text: 'X could not be reached to complete the sign-in. Nothing has changed.',
    advice: 'Try again in a minute.',
    link: startAgain,
  }),
  account_not_allowed: ({ username }) => ({
    status: 403,
    title: 'This account may not connect here',
    text: `Whoever runs this server allows certain X accounts only, and @${username} is not among them.`,
    advice: 'Sign in at X with another account, or ask for this one to be allowed.',
    link: startAgain,
  }),
};
