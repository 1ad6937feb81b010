import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RequestRecord } from '#apps/x-simulator/requests.ts';
import type { Caller } from './callers.ts';
import { memoryOf } from './orphans.ts';
import { secretWord } from './plans.ts';
import type { World } from './world.ts';

/** A process of ours at rest needs less (MiB). */
const mostMemory = 400;

/** Work that was left behind once every job has ended: bytes of media, results in the spool, memory. */
export async function findLeftovers(world: World, jobIds: readonly string[]): Promise<string[]> {
  const list = (folder: string) => readdir(join(world.dataDir, folder)).catch(() => []);
  const kept = (await list('media')).filter((name) => jobIds.includes(name));
  const spooled = await list('spool');
  const memory = await Promise.all([world.api(), ...world.workers].map(({ child }) => memoryOf(child.pid)));
  return [
    ...kept.map((jobId) => `media of ${jobId} is left`),
    ...spooled.map((name) => `the spool still holds ${name}`),
    ...memory
      .filter((mib) => mib > mostMemory)
      .map((mib) => `a process at rest holds ${Math.round(mib)} MiB`),
  ];
}

/** Secrets, and words of posts, that stand in plain in a log, in Redis' files or in any other file of ours. */
export async function findSecrets(world: World, callers: readonly Caller[]): Promise<string[]> {
  const sessions = await Promise.all(callers.map((caller) => caller.session()));
  const tokens = world.simulator.state.requests.all.flatMap(({ headers, bodyText }) => [
    headers.authorization?.split(' ')[1],
    new URLSearchParams(bodyText ?? '').get('refresh_token'),
  ]);
  const secrets = new Set(
    [
      ...tokens,
      ...sessions.flatMap(({ accessToken, refreshToken }) => [accessToken, refreshToken]),
      ...world.secrets,
      secretWord,
    ].filter((secret) => typeof secret === 'string' && secret.length > 8),
  );
  const places = new Map<string, Buffer>([['the logs', Buffer.from(world.outputs.flat().join('\n'))]]);
  for (const entry of await readdir(world.dataDir, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) {
      const file = join(entry.parentPath, entry.name);
      places.set(file, await readFile(file).catch(() => Buffer.alloc(0)));
    }
  return [...places].flatMap(([place, bytes]) =>
    [...secrets]
      .filter((secret) => bytes.includes(secret ?? ''))
      .map((secret) => `${place} holds ${secret?.slice(0, 12)}… in plain`),
  );
}

/**
 * Refresh tokens that were presented by two at once, or again although X's answer had arrived at a process that was
 * not killed in that moment.
 */
export function findPresentedTwice({ simulator, killings }: World): string[] {
  const refreshes = simulator.state.requests.all.filter(
    ({ endpoint, bodyText }) =>
      endpoint === 'POST /2/oauth2/token' && bodyText?.includes('grant_type=refresh_token'),
  );
  const presented = Map.groupBy(refreshes, ({ bodyText }) =>
    new URLSearchParams(bodyText ?? '').get('refresh_token'),
  );
  const endOf = ({ receivedAt, durationMs }: RequestRecord) => receivedAt + (durationMs ?? 0);
  const wasDelivered = (request: RequestRecord) =>
    request.phase === 'answered' &&
    request.status === 200 &&
    request.fault === null &&
    !killings.some((at) => at > endOf(request) - 100 && at < endOf(request) + 1000);
  return [...presented.values()].flatMap((requests) =>
    requests.flatMap((later, index) => {
      const earlier = requests[index - 1];
      if (!earlier) return [];
      const what = `${later.receivedAt} ${earlier.receivedAt} ${earlier.phase} ${earlier.status}`;
      if (later.receivedAt < endOf(earlier)) return [`a refresh token was presented by two at once: ${what}`];
      return wasDelivered(earlier) ? [`a refresh token was presented again that was answered: ${what}`] : [];
    }),
  );
}
