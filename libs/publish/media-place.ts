import type { PlaceRequest } from './account-places.ts';
import type { PublishDeps } from './publisher.ts';

/** Enough media of the account is in work: the item waits outside, and is woken when its turn comes. */
export class NoPlaceError extends Error {
  /** When to ask again if nobody calls: ms from now. */
  readonly askAfterMs: number;
  constructor(askAfterMs: number) {
    super('enough media of this account is in work');
    this.name = 'NoPlaceError';
    this.askAfterMs = askAfterMs;
  }
}

/** The place of one run on one media item; given back when disposed of, and whoever waits for it is woken. */
export interface MediaPlace extends AsyncDisposable {
  /** Takes a place unless it has one. False: there is none. */
  tryTake(): Promise<boolean>;
  /** As `tryTake`. @throws {NoPlaceError} */
  take(): Promise<void>;
}

/** Creates the place of a run, not yet taken. */
export function createMediaPlace(
  { places, wakeUps }: Pick<PublishDeps, 'places' | 'wakeUps'>,
  request: PlaceRequest,
): MediaPlace {
  let timer: NodeJS.Timeout | null = null;
  async function ask(): Promise<number | null> {
    if (timer) return null;
    const answer = await places.take(request);
    if (!answer.taken) return answer.askAfterMs;
    // A renewal that is lost costs at most one place too many for a while.
    timer = setInterval(() => void places.renew(request).catch(() => {}), places.leaseMs / 3);
    return null;
  }
  return {
    async tryTake() {
      return (await ask()) === null;
    },
    async take() {
      const askAfterMs = await ask();
      if (askAfterMs !== null) throw new NoPlaceError(askAfterMs);
    },
    async [Symbol.asyncDispose]() {
      if (!timer) return;
      clearInterval(timer);
      timer = null;
      // Without Redis the place comes free by itself, and those who wait ask again by themselves.
      const next = await places.leave(request).catch(() => []);
      for (const { jobId, index } of next) await wakeUps.itemTurn(jobId, index).catch(() => {});
    },
  };
}
