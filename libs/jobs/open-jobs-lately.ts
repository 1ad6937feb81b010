/** How long a count says something about whether its account is posting a lot. */
const latelyMs = 5000;
const mostAccounts = 1000;

interface Count {
  /** As Redis told after the last post that was accepted, and when, on a clock that does not jump. */
  openJobs: number;
  at: number;
  /** Posts on their way to Redis. */
  sent: number;
}

/** How many open jobs each account has, as far as this process knows without asking: for what may be wrong by some. */
export function createOpenJobsLately(now: () => number = () => performance.now()) {
  const counts = new Map<string, Count>();

  function forgetOld(): void {
    for (const [accountId, { sent, at }] of counts)
      if (sent === 0 && now() - at >= latelyMs) counts.delete(accountId);
  }

  return {
    /** One more post is sent. Returns how many the account has before it. */
    sending(accountId: string): number {
      if (counts.size >= mostAccounts) forgetOld();
      const count = counts.get(accountId) ?? { openJobs: 0, at: now(), sent: 0 };
      if (now() - count.at >= latelyMs) count.openJobs = 0;
      counts.set(accountId, count);
      return count.openJobs + count.sent++;
    },
    /** What became of it: how many there are with it, or null where it was not accepted. */
    sent(accountId: string, openJobs: number | null): void {
      const count = counts.get(accountId);
      if (!count) return;
      count.sent--;
      if (openJobs !== null) Object.assign(count, { openJobs, at: now() });
    },
  };
}
