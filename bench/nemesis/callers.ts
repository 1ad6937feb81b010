import { setTimeout as pass } from 'node:timers/promises';
import type { Session } from '../../test/system.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** A post that a caller was told is accepted. */
export interface Wish {
  readonly session: Session;
  readonly jobId: string;
  /** The words by which its posts are known. */
  readonly marks: readonly string[];
}

/** What a caller will ask for, and when: all chance is drawn beforehand. */
export interface Plan {
  readonly number: number;
  readonly user: number;
  readonly afterMs: number;
  readonly kind: 'text' | 'image' | 'images' | 'thread' | 'scheduled' | 'reply' | 'canceled';
  /** How many times the same is asked at once. */
  readonly times: number;
}

const kinds = [
  'text',
  'text',
  'text',
  'image',
  'images',
  'thread',
  'thread',
  'scheduled',
  'reply',
  'canceled',
] as const;

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
    times: random.next() < 0.2 ? 3 : 1,
  }));
}

/** Asks until it is accepted, as a caller would who was promised that the same key never posts twice. */
export async function makeWish(world: World, session: Session, plan: Plan, seed: number): Promise<Wish> {
  await pass(plan.afterMs);
  const mark = `n${seed}x${plan.number}`;
  const marks = plan.kind === 'thread' ? [mark, `${mark}b`, `${mark}c`] : [mark];
  const body = { request_id: mark, ...describe(world, session, plan, marks) };
  const jobIds = await Promise.all(Array.from({ length: plan.times }, () => persist(session, body)));
  if (new Set(jobIds).size !== 1) throw new Error(`one key led to several jobs: ${jobIds.join(' ')}`);
  const [jobId = ''] = jobIds;
  if (plan.kind === 'canceled') await session.request('POST', `/jobs/${jobId}/cancel`).catch(() => {});
  return { session, jobId, marks };
}

function describe(world: World, session: Session, { kind, number }: Plan, marks: readonly string[]): object {
  const [first = '', ...rest] = marks;
  const text = `Nemesis ${first}`;
  const mediaUrls = ['/0.png', '/1.png'].map((path) => world.mediaHost.url(path));
  switch (kind) {
    case 'image':
      return { text, media_url: mediaUrls[number % 2] };
    case 'images':
      return { text, media_urls: mediaUrls };
    case 'thread':
      return { text, thread: rest.map((word) => ({ text: `Nemesis ${word}` })) };
    case 'scheduled':
    case 'canceled':
      return { text, publish_at: new Date(Date.now() + 4000).toISOString() };
    case 'reply': {
      const earlier = world.simulator.state.tweets.existing(session.account.id).at(-1);
      return earlier ? { text, reply_to_tweet_id: earlier.id } : { text };
    }
    default:
      return { text };
  }
}

async function persist(session: Session, body: object): Promise<string> {
  for (let turn = 0; ; turn++) {
    const answer = await session.request('POST', '/postTweet', body).catch(() => null);
    if (answer && (answer.status === 200 || answer.status === 202)) return answer.body.job_id;
    const mayPass = answer === null || answer.status === 409 || answer.status === 429 || answer.status >= 500;
    if (!mayPass || turn > 300)
      throw new Error(`not accepted: ${answer?.status} ${JSON.stringify(answer?.body)}`);
    await pass(200);
  }
}
