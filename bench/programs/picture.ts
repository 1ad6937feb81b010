import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { createImagePool } from '#libs/media/image-pool.ts';
import { prepareMedia } from '#libs/media/prepare-media.ts';
import { cpuOf } from '../proc.ts';

/**
 * Makes a picture or an animation fit for X: as this project does it, or in one of the plain ways that it is held
 * against. Prints the time of its second go, when everything is loaded and the child process runs.
 * Started with the way, the file, and what the way needs.
 */
const [way = '', file = '', ...rest] = process.argv.slice(2);
sharp.cache(false);
sharp.concurrency(1);
const maxBytes = 5 * 1024 * 1024;
const outputFolder = await mkdtemp(join(tmpdir(), 'bench-picture-'));
await using images = createImagePool({ idleMs: 60_000, maxChildren: 1 });

const fitted = (): Sharp =>
  sharp(file, { failOn: 'none' })
    .autoOrient()
    .resize({ width: 4096, height: 4096, fit: 'inside', withoutEnlargement: true });

/** Decodes once, searches the quality by halving on a sixteenth of the rows, encodes once. */
async function searchOnSample(): Promise<number> {
  const { data, info } = await fitted().raw().toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const rowBytes = width * channels;
  const rows = 16 * Math.floor(height / 256);
  const bands = Array.from({ length: 16 }, (_, band) => {
    const top = Math.floor(((height - rows / 16) * (band + 0.5)) / 16);
    return data.subarray(top * rowBytes, (top + rows / 16) * rowBytes);
  });
  const sample = Buffer.concat(bands);
  const bytesAt = async (quality: number) => {
    const raw = { width, height: rows, channels };
    return ((await sharp(sample, { raw }).jpeg({ quality }).toBuffer()).length * height) / rows;
  };
  let [low, high] = [45, 93];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if ((await bytesAt(middle)) <= maxBytes * 0.96) low = middle;
    else high = middle;
  }
  await sharp(data, { raw: { width, height, channels } }).jpeg({ quality: low }).toBuffer();
  return low;
}

const ways: Readonly<Record<string, () => Promise<unknown>>> = {
  async ours() {
    const { path } = await prepareMedia(file, { outputFolder, images });
    const { width, height, size } = await sharp(path).metadata();
    return { width, height, size };
  },
  search: searchOnSample,
  onePass: async () =>
    (
      await fitted()
        .jpeg({ quality: Number(rest[0]) })
        .toBuffer()
    ).length,
  async gif() {
    const [width = 0, height = 0] = rest.map(Number);
    const input = await readFile(file);
    return (
      await sharp(input, { animated: true })
        .resize({ width, height, fit: 'fill' })
        .gif({ effort: 1 })
        .toBuffer()
    ).length;
  },
};

const act = ways[way];
if (!act) throw new Error(`There is no way ${way}`);
await act();
const [startedAt, cpuBefore] = [performance.now(), cpuOf(process.pid)];
const made = await act();
const ms = performance.now() - startedAt;
console.log(JSON.stringify({ ms, cpuMs: cpuOf(process.pid) - cpuBefore, made }));
await rm(outputFolder, { recursive: true });
