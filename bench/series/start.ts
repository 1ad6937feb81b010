import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '#apps/start/redis-process.ts';
import { runNpm } from '../../test/npm-start.ts';
import { startProgram } from '../program.ts';
import type { Row, Series } from '../row.ts';
import { byTurns, median } from '../statistics.ts';
import { startWorld } from '../world.ts';

const rounds = 5;

/** Cold starts, with the packages installed and the code compiled before. */
export const start: Series = {
  name: 'start',
  title: 'Cold starts',
  async run(): Promise<Row[]> {
    await using world = await startWorld();
    const results = await byTurns(rounds, {
      ours: async () => {
        await using api = await world.startApi();
        return api.readyMs;
      },
      baseline: async () => {
        await using imports = await startProgram('bench/programs/imports.ts');
        return imports.readyMs;
      },
    });
    const whole: number[] = [];
    for (let round = 0; round < rounds; round++) whole.push(await npmStart());
    return [
      {
        what: 'API, against its imports',
        unit: 'ms',
        ours: median(results.ours),
        baseline: median(results.baseline),
        goal: { ratioAtMost: 1.5 },
      },
      {
        what: 'npm start until ready',
        unit: 's',
        ours: median(whole) / 1000,
        baseline: null,
        goal: { atMost: 2.5 },
      },
    ];
  },
};

/** All of it in an empty data folder: Redis, simulator, API, worker. */
async function npmStart(): Promise<number> {
  const dataDir = await mkdtemp(join(tmpdir(), 'bench-start-'));
  try {
    const startedAt = performance.now();
    const npm = runNpm(['start'], { DATA_DIR: dataDir, PORT: String(await freePort()) });
    await npm.ready;
    const readyMs = performance.now() - startedAt;
    npm.process.kill('SIGTERM');
    await npm.ended;
    return readyMs;
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}
