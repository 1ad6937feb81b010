import { connect, type Socket } from 'node:net';
import { cpuOf, hasProc, memoryOf } from '../proc.ts';
import { type Program, startProgram } from '../program.ts';
import type { Series } from '../row.ts';
import { median } from '../statistics.ts';
import { signIn, startWorld, until } from '../world.ts';

const count = 5000;
const rounds = 3;
const inTenMinutes = () => new Date(Date.now() + 600_000).toISOString();

interface Wait {
  readonly kilobytesEach: number;
  readonly reachMs: number;
}

/** Long polls on one job: what each costs, and how soon all hear of its end. */
export const waiters: Series = {
  name: 'waiters',
  title: `${count} waiting long polls`,
  async run() {
    if (!hasProc) {
      console.log('Left out: it needs /proc.');
      return [];
    }
    await using world = await startWorld();
    const [own, bare]: [Wait[], Wait[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      const shown = await measureOurs(world, own, round);
      await using program = await startProgram('bench/programs/bare-waiters.ts');
      const go = () => fetch(`${program.url}/go`, { method: 'POST', body: shown });
      bare.push(await wait(program, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n', go));
    }
    const row = (what: string, unit: string, key: keyof Wait) => ({
      what,
      unit,
      ours: median(own.map((one) => one[key])),
      baseline: median(bare.map((one) => one[key])),
      goal: { ratioAtMost: 1.5 },
    });
    return [row('memory of each', 'kB', 'kilobytesEach'), row('time to reach all', 'ms', 'reachMs')];
  },
};

/** Resolves to the answer that all got, for the other one to give the same. */
async function measureOurs(
  world: Awaited<ReturnType<typeof startWorld>>,
  waits: Wait[],
  round: number,
): Promise<string> {
  await using api = await world.startApi();
  const headers = {
    'content-type': 'application/json',
    authorization: `Bearer ${await signIn(api.url, 1)}`,
  };
  const body = JSON.stringify({ text: `Round ${round}`, publish_at: inTenMinutes() });
  const accepted = await fetch(`${api.url}/postTweet`, { method: 'POST', headers, body });
  const { job_id: jobId } = (await accepted.json()) as { job_id: string };
  const lines = [
    `GET /jobs/${jobId}?wait_seconds=40 HTTP/1.1`,
    'host: a',
    `authorization: ${headers.authorization}`,
  ];
  const cancel = () => fetch(`${api.url}/jobs/${jobId}/cancel`, { method: 'POST', headers });
  waits.push(await wait(api, `${lines.join('\r\n')}\r\n\r\n`, cancel));
  return await (await fetch(`${api.url}/jobs/${jobId}`, { headers })).text();
}

/** Opens all connections, lets them wait, and ends their waiting with `go`. */
async function wait(server: Program, request: string, go: () => Promise<Response>): Promise<Wait> {
  const port = Number(new URL(server.url).port);
  const before = memoryOf(server.pid);
  let answered = 0;
  const sockets: Socket[] = [];
  for (let index = 0; index < count; index += 100) {
    const opened = Array.from({ length: 100 }, () => open(port, request, () => answered++));
    sockets.push(...(await Promise.all(opened)));
  }
  // All requests are with the server, and it has come to rest.
  await until(async () => ((await isQuiet(server)) ? true : null));
  if (answered > 0) throw new Error(`${answered} did not wait`);
  const kilobytesEach = (memoryOf(server.pid) - before) / count / 1024;
  const startedAt = performance.now();
  await (await go()).text();
  await until(async () => (answered >= count ? true : null), 5);
  const reachMs = performance.now() - startedAt;
  for (const socket of sockets) socket.destroy();
  return { kilobytesEach, reachMs };
}

function open(port: number, request: string, onAnswer: () => void): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect(port, '127.0.0.1', () => {
    socket.write(request);
    resolve(socket);
  });
  socket.once('error', reject);
  socket.once('data', (data) => {
    if (!data.toString('latin1').startsWith('HTTP/1.1 200')) throw new Error(data.toString());
    onAnswer();
    socket.resume();
  });
  return promise;
}

async function isQuiet({ pid }: Program): Promise<boolean> {
  const before = cpuOf(pid);
  await new Promise((resolve) => setTimeout(resolve, 500));
  return cpuOf(pid) - before < 50;
}
