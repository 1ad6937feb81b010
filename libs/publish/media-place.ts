import type { PlaceRequest, Purpose } from './account-places.ts';
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
  /**
   * Takes a place unless it has one that will do. Resolves to what it is for: who asks for one to fetch may get one for
   * all the work.
   * @throws {NoPlaceError}
   */
  take(purpose: Purpose): Promise<Purpose>;
}

/** Creates the place of a run, not yet taken. */
export function createMediaPlace(
  { places, wakeUps }: Pick<PublishDeps, 'places' | 'wakeUps'>,
  request: PlaceRequest,
): MediaPlace {
  let held: Purpose | null = null;
  let timer: NodeJS.Timeout | undefined;
  return {
    async take(purpose) {
      if (held === 'work' || held === purpose) return held;
      const answer = await places.take(request, purpose);
      if (!answer.taken) throw new NoPlaceError(answer.askAfterMs);
      const has = answer.purpose;
      held = has;
      clearInterval(timer);
      // A renewal that is lost costs at most one place too many for a while.
      timer = setInterval(() => void places.renew(request, has).catch(() => {}), places.leaseMs / 3);
      return has;
    },
    async [Symbol.asyncDispose]() {
      if (held === null) return;
      clearInterval(timer);
      held = null;
      // Without Redis the place comes free by itself, and those who wait ask again by themselves.
      const next = await places.leave(request).catch(() => []);
      for (const { jobId, index } of next) await wakeUps.itemTurn(jobId, index).catch(() => {});
    },
  };
}
