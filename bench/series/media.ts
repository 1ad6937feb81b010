import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasProc, watchMemory } from '../proc.ts';
import { type Program, startProgram } from '../program.ts';
import type { Row, Series } from '../row.ts';
import { median } from '../statistics.ts';
import { forget, seenBy, sharedNow, signIn, startWorld, until, type World } from '../world.ts';

const megabyte = 1024 * 1024;
const fileBytes = 256 * megabyte;
/** Large enough to take the same way. */
const warmUpBytes = 12 * megabyte;
const rounds = 5;
/** One second of H.264 and AAC, its index first. */
const shortVideo = new URL('../short.mp4', import.meta.url);

interface Upload {
  readonly seconds: number;
  readonly megabytes: number;
}

/** 256 MB from a URL to X, at three speeds of X, against other ways of doing it. */
export const media: Series = {
  name: 'media',
  title: 'A video of 256 MB, from its URL to X',
  async run() {
    if (!hasProc) {
      console.log('Left out: it needs /proc.');
      return [];
    }
    const folder = await mkdtemp(join(tmpdir(), 'bench-media-'));
    try {
      await using host = await startHost(folder, fileBytes);
      await using warmUp = await startHost(folder, warmUpBytes);
      const rows: Row[] = [];
      for (const delayMs of [0, 50, 150]) rows.push(...(await contest({ host, warmUp, delayMs })));
      return rows;
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};

async function startHost(folder: string, bytes: number): Promise<Program> {
  const file = join(folder, `${bytes}.mp4`);
  await writeFile(file, await paddedVideo(bytes));
  return await startProgram('bench/programs/file-host.ts', [file, 'video/mp4']);
}

/** A short video that X takes, and a box that players skip (ISO/IEC 14496-12, 8.1.2) up to the wanted size. */
async function paddedVideo(bytes: number): Promise<Buffer> {
  const short = await readFile(shortVideo);
  const padding = Buffer.alloc(bytes - short.length, 1);
  padding.writeUInt32BE(padding.length, 0);
  padding.write('free', 4);
  return Buffer.concat([short, padding]);
}

const ways = ['cutThrough', 'put', 'library'] as const;

interface Course {
  readonly host: Program;
  /** Serves a small video, brought first: each process is measured as it is when it has been running for a while. */
  readonly warmUp: Program;
  readonly delayMs: number;
}

async function contest(course: Course): Promise<Row[]> {
  const { host, warmUp, delayMs } = course;
  const trusted = [host, warmUp].map(({ url }) => new URL(url).host);
  await using world = await startWorld({
    xDelayMs: delayMs,
    environment: { MEDIA_TRUSTED_HOSTS: trusted.join(',') },
  });
  await using api = await world.startApi();
  const own: Upload[] = [];
  const others: Record<(typeof ways)[number], Upload[]> = { cutThrough: [], put: [], library: [] };
  // A round that does not count: the first processes of an installation compile what later ones find compiled.
  await ours(world, api, course, 0);
  await other('cutThrough', world, course);
  for (let round = 1; round <= rounds; round++) {
    own.push(await ours(world, api, course, round));
    // One look at the slow ones is enough.
    for (const way of ways)
      if (way === 'cutThrough' || round === 1) others[way].push(await other(way, world, course));
  }
  const at = `${delayMs} ms per call`;
  const seconds = (uploads: readonly Upload[]) => median(uploads.map((upload) => upload.seconds));
  const memory = (uploads: readonly Upload[]) => Math.max(...uploads.map((upload) => upload.megabytes));
  const row = (way: (typeof ways)[number], name: string) => ({
    what: `${at}, against ${name}`,
    unit: 's',
    ours: seconds(own),
    baseline: seconds(others[way]),
  });
  const bounded = {
    unit: 'MB',
    ours: memory(own),
    baseline: memory(others.cutThrough),
    goal: { atMost: 120 },
  };
  return [
    { ...row('cutThrough', 'a bare cut-through'), goal: { ratioAtMost: 1.3 } },
    row('put', 'one raw PUT'),
    row('library', 'twitter-api-v2'),
    { what: `${at}, memory above idle`, ...bounded },
    {
      what: `${at}, memory, twitter-api-v2`,
      unit: 'MB',
      ours: memory(own),
      baseline: memory(others.library),
    },
  ];
}

/** From the request to the API until X has the whole video; the memory is the worker's and its children's. */
async function ours(world: World, api: Program, { host, warmUp }: Course, round: number): Promise<Upload> {
  await using worker = await world.startWorker();
  const token = await signIn(api.url, round);
  using memory = watchMemory(worker.pid);
  const bring = async (from: Program) => {
    await forget(world.x);
    const sentAt = sharedNow();
    const answer = await fetch(`${api.url}/postTweet`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({
        text: `Round ${round} ${from.url}`,
        media_urls: [`${from.url}/video.mp4`],
        wait_seconds: 0,
      }),
    });
    if (answer.status !== 202) throw new Error(`${answer.status} ${await answer.text()}`);
    const finalizedAt = await until(async () => (await seenBy(world.x)).finalizedAt || null);
    await until(async () => ((await seenBy(world.x)).creates.length > 0 ? true : null));
    return (finalizedAt - sentAt) / 1000;
  };
  await bring(warmUp);
  return { seconds: await bring(host), megabytes: memory.above() / megabyte };
}

async function other(way: (typeof ways)[number], world: World, { host, warmUp }: Course): Promise<Upload> {
  const urls = [host.url, world.x.url, warmUp.url];
  await using program = await startProgram('bench/programs/uploader.ts', [way, ...urls]);
  using memory = watchMemory(program.pid);
  const { ms } = JSON.parse(await program.result) as { ms: number };
  return { seconds: ms / 1000, megabytes: memory.above() / megabyte };
}
