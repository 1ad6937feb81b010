import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createImagePool, type ImagePool } from './image-pool.ts';
import { mutate, outcomeOf } from './test-hostile.ts';
import { hasFfmpeg, needsFfmpeg, video } from './test-videos.ts';

let images: ImagePool;
beforeAll(() => {
  images = createImagePool({ maxChildren: 2, taskTimeoutMs: 10_000 });
});

afterAll(() => images[Symbol.asyncDispose]());

const outcome = (bytes: Buffer) => outcomeOf(bytes, images);

describe('damaged videos', () => {
  it.skipIf(!hasFfmpeg)(
    `that are videos too${needsFfmpeg}`,
    async () => {
      const samples = [
        video(),
        video({ options: ['-movflags', '+frag_keyframe+empty_moov'] }),
        video({ ending: 'mkv' }),
        video({ ending: 'ts' }),
      ];
      // Most of a video is packets; what breaks parsers is in the tables at its ends.
      const edges = fc.oneof(fc.nat(3_000), fc.nat());
      await fc.assert(
        fc.asyncProperty(
          fc.nat(samples.length - 1),
          fc.nat(5),
          edges,
          fc.nat(255),
          fc.boolean(),
          async (index, kind, at, value, fromEnd) => {
            const sample = samples[index] ?? Buffer.alloc(0);
            await outcome(
              mutate(sample, kind, fromEnd ? sample.length - 1 - (at % sample.length) : at, value),
            );
          },
        ),
        { numRuns: 100 },
      );
    },
    120_000,
  );
});

describe.skipIf(!hasFfmpeg)(`hostile videos${needsFfmpeg}`, () => {
  const setBox = (bytes: Buffer, type: string, change: (box: Buffer) => void) => {
    const changed = Buffer.from(bytes);
    change(changed.subarray(changed.indexOf(type)));
    return changed;
  };

  it('an mdat that claims 4 GB, a lying duration, no frame rate: a valid result or a clear problem', async () => {
    const bytes = video();
    const hugeMdat = Buffer.from(bytes);
    hugeMdat.writeUInt32BE(0xfffffff0, hugeMdat.indexOf('mdat') - 4);
    await outcome(hugeMdat);
    // The film's header says ten hours, by which X would refuse it; the packets say one second.
    const long = setBox(bytes, 'mvhd', (box) => box.writeUInt32BE(36_000_000, 20));
    expect(await outcome(long)).toMatchObject({
      detail: expect.stringMatching(/lasts 600:00 where X takes 2:20/),
    });
    const timeless = setBox(bytes, 'stts', (box) => box.writeUInt32BE(0, 16));
    expect(await outcome(timeless)).toMatchObject({ code: expect.stringMatching(/media_/) });
    const endless = setBox(bytes, 'stts', (box) => box.writeUInt32BE(0x7fffffff, 12));
    await outcome(endless);
    const manySamples = setBox(bytes, 'stsz', (box) => box.writeUInt32BE(0xffffffff, 12));
    await outcome(manySamples);
  });

  it('many tracks are no problem', async () => {
    const options = Array.from({ length: 40 }, () => ['-map', '1:a']).flat();
    expect(await outcome(video({ options: ['-map', '0:v', ...options] }))).toMatchObject({ kind: 'video' });
  });
});
