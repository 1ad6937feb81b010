import { badMedia, goodMedia, movingMedia } from './media.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

const kinds = [
  'text',
  'text',
  'text',
  'thread',
  'thread',
  'thread with pictures',
  'picture',
  'picture',
  'pictures',
  'moving',
  'uploaded',
  'described',
  'poll',
  'scheduled',
  'expiring',
  'reply',
  'canceled',
  'canceled late',
  'bad media',
] as const;

/** What a caller will ask for, and when: all chance is drawn beforehand. */
export interface Plan {
  readonly number: number;
  readonly user: number;
  readonly afterMs: number;
  readonly kind: (typeof kinds)[number];
  /** How many times the same is asked at once. */
  readonly times: number;
  readonly good: (typeof goodMedia)[number];
  readonly bad: (typeof badMedia)[number];
  /** When a post that may be canceled is. */
  readonly cancelAfterMs: number;
  /** What a caller does who is told that it cannot be established and does not see the post on X. */
  readonly whenUnseen: 'not_posted' | 'resend';
}

/** `count` posts of several accounts, spread over a time. */
export function planPosts(
  random: Random,
  { count, users, overMs }: { count: number; users: number; overMs: number },
): Plan[] {
  return Array.from({ length: count }, (_, number) => ({
    number,
    user: random.between(0, users - 1),
    afterMs: random.between(0, overMs),
    kind: random.pick(kinds),
    times: random.pick([1, 1, 1, 1, 3, 3, 20] as const),
    good: random.pick(goodMedia),
    bad: random.pick(badMedia),
    cancelAfterMs: random.between(0, 1500),
    whenUnseen: random.pick(['not_posted', 'resend'] as const),
  }));
}

/** Words that no log and no store may hold in plain. */
export const secretWord = 'Unspeakable';

/** The body of a plan's request, but for its key. `marks`: the words by which its posts are known. */
export function describePlan(
  world: World,
  plan: Plan,
  marks: readonly string[],
  mediaId: string | null,
): object {
  const [text = '', ...rest] = marks.map((word) => `${secretWord} ${word}`);
  const url = (path: string) => world.mediaHost.url(path);
  const soon = (ms: number) => new Date(Date.now() + ms).toISOString();
  switch (plan.kind) {
    case 'thread':
      return { text, thread: rest.map((words) => ({ text: words })) };
    case 'thread with pictures':
      return {
        text,
        media_url: url('/0.png'),
        thread: rest.map((words) => ({ text: words, media_url: url('/1.png') })),
      };
    case 'picture':
      return { text, media_url: url(plan.good) };
    case 'pictures':
      return { text, media_urls: [url('/0.png'), url(plan.good), url('/1.png')] };
    case 'moving':
      return { text, media_url: url(movingMedia) };
    case 'uploaded':
      return { text, media_ids: [mediaId] };
    case 'described':
      return { text, media_url: url(plan.good), alt_texts: [`${secretWord} picture`] };
    case 'poll':
      return { text, poll: { options: ['yes', 'no'], duration_minutes: 60 } };
    case 'scheduled':
    case 'canceled':
      return { text, publish_at: soon(4000) };
    case 'expiring':
      return { text, expires_at: soon(8000) };
    case 'reply': {
      const earlier = world.simulator.state.tweets.existing(world.users[plan.user]?.id ?? '').at(-1);
      return earlier ? { text, reply_to_tweet_id: earlier.id } : { text };
    }
    case 'bad media':
      return { text, media_urls: [url('/0.png'), url(plan.bad)] };
    default:
      return { text };
  }
}

/** How many posts a plan makes. */
export const postsOf = ({ kind }: Plan): number => (kind.startsWith('thread') ? 3 : 1);
