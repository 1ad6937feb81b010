import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { animation } from '#libs/media/test-animations.ts';
import type { Series } from '../row.ts';
import { median } from '../statistics.ts';
import { type Made, make } from './images.ts';

const rounds = 3;

/** An animation too large for X, made smaller, against sharp at its lowest effort making one of the same size. */
export const gif: Series = {
  name: 'gif',
  title: 'A GIF of 100 frames, reduced',
  async run() {
    const folder = await mkdtemp(join(tmpdir(), 'bench-gif-'));
    try {
      const file = join(folder, 'animation.gif');
      await writeFile(file, await animation({ width: 640, height: 360, frames: 100, grain: true }));
      const own: Made[] = [];
      const plain: Made[] = [];
      for (let round = 0; round < rounds; round++) {
        const made = await make(['ours', file]);
        own.push(made);
        plain.push(await make(['gif', file, ...sizeOf(made)]));
      }
      const row = (what: string, key: 'ms' | 'cpuMs') => ({
        what,
        unit: 's',
        ours: median(own.map((made) => made[key])) / 1000,
        baseline: median(plain.map((made) => made[key])) / 1000,
        goal: { ratioAtMost: 1.1 },
      });
      return [row('time', 'ms'), row('CPU', 'cpuMs')];
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};

function sizeOf({ made }: Made): string[] {
  const { width, height } = made as { width: number; height: number };
  return [String(width), String(height)];
}
