import type { Redis } from 'ioredis';
import type { TokenVault } from './token-vault.ts';

const usualEveryMs = 10_000;

interface ReplayOptions {
  readonly vault: Pick<TokenVault, 'replaySpool'>;
  readonly redis: Redis;
  /** Told once, until it works again. */
  readonly onFailure: (error: unknown) => void;
  readonly everyMs?: number;
}

/**
 * Stores what lies in the spool of this disk now, as soon as Redis is back, and every ten seconds: a pair that Redis did
 * not take must be there before another machine presents the refresh token that it has replaced.
 */
export async function keepReplaying({
  vault,
  redis,
  onFailure,
  everyMs = usualEveryMs,
}: ReplayOptions): Promise<Disposable> {
  let failing = false;
  let replaying: Promise<void> | null = null;
  const replay = () => {
    replaying ??= vault
      .replaySpool()
      .then(() => {
        failing = false;
      })
      .catch((error: unknown) => {
        if (!failing) onFailure(error);
        failing = true;
      })
      .finally(() => {
        replaying = null;
      });
    return replaying;
  };
  await replay();
  const timer = setInterval(replay, everyMs);
  redis.on('ready', replay);
  return {
    // Nobody waits for the one in progress, as Redis may be away for long: what it has not stored stays on the disk.
    [Symbol.dispose]() {
      failing = true;
      clearInterval(timer);
      redis.off('ready', replay);
    },
  };
}
