import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { photo } from '#libs/media/test-pictures.ts';
import { startProgram } from '../program.ts';
import type { Row, Series } from '../row.ts';
import { median } from '../statistics.ts';

const rounds = 3;
const sizes = [
  { name: '12 MP', width: 4000, height: 3000 },
  { name: '48 MP', width: 8000, height: 6000 },
] as const;

export interface Made {
  readonly ms: number;
  readonly cpuMs: number;
  readonly made: unknown;
}

/** Photos too large for X, made to fit into its 5 MB, against a plain search for the quality on a sample. */
export const images: Series = {
  name: 'images',
  title: 'A large JPEG into 5 MB',
  async run() {
    const folder = await mkdtemp(join(tmpdir(), 'bench-images-'));
    try {
      const rows: Row[] = [];
      for (const size of sizes) rows.push(...(await contest(size, join(folder, 'photo.jpg'))));
      return rows;
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};

async function contest({ name, width, height }: (typeof sizes)[number], file: string): Promise<Row[]> {
  await (await photo(width, height)).jpeg({ quality: 97 }).toFile(file);
  const own: Made[] = [];
  const search: Made[] = [];
  const onePass: Made[] = [];
  for (let round = 0; round < rounds; round++) {
    const found = await make(['search', file]);
    search.push(found);
    onePass.push(await make(['onePass', file, String(found.made)]));
    own.push(await make(['ours', file]));
  }
  const row = (what: string, key: 'ms' | 'cpuMs', baseline: readonly Made[]) => ({
    what: `${name}, ${what}`,
    unit: 's',
    ours: median(own.map((made) => made[key])) / 1000,
    baseline: median(baseline.map((made) => made[key])) / 1000,
  });
  return [
    { ...row('CPU, against a search on a sample', 'cpuMs', search), goal: { ratioAtMost: 1.2 } },
    row('time, against a search on a sample', 'ms', search),
    row('CPU, against one pass', 'cpuMs', onePass),
  ];
}

/** Runs `picture.ts` to its end. */
export async function make(args: readonly string[]): Promise<Made> {
  await using program = await startProgram('bench/programs/picture.ts', args);
  return JSON.parse(await program.result) as Made;
}
