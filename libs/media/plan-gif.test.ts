import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GifHeader } from './gif.ts';
import { mediaLimits } from './media-limits.ts';
import { planGif } from './plan-gif.ts';

const limits = mediaLimits.gif;
const gif = (header: Partial<GifHeader>): GifHeader => {
  const bytes = header.bytes ?? 1_000_000;
  return {
    width: 640,
    height: 480,
    frames: 50,
    durationMs: 5_000,
    bytes,
    stretches: [[0, bytes]],
    ...header,
  };
};

describe('planGif', () => {
  it('leaves alone what X takes', () => {
    expect(planGif(gif({}), limits)).toEqual({ act: 'pass' });
    expect(planGif(gif({ width: 1280, height: 1080, frames: 217, bytes: limits.maxBytes }), limits).act).toBe(
      'pass',
    );
  });

  it('only takes out what is no picture when that is all there is to do', () => {
    const stretches = [[0, limits.maxBytes]] as const;
    expect(planGif(gif({ bytes: limits.maxBytes + 100, stretches }), limits)).toEqual({
      act: 'strip',
      stretches,
    });
  });

  it('reduces the size first', () => {
    expect(planGif(gif({ width: 1400, height: 700, frames: 10 }), limits)).toMatchObject({
      act: 'render',
      width: 1280,
      height: 640,
      keepEvery: 1,
    });
  });

  it('leaves out frames when there are too many, or when the size would become tiny', () => {
    expect(planGif(gif({ width: 100, height: 100, frames: 351 }), limits)).toMatchObject({
      keepEvery: 2,
      width: 100,
    });
    const large = planGif(gif({ width: 900, height: 900, frames: 340, bytes: 100_000_000 }), limits);
    expect(large).toMatchObject({ act: 'render' });
    expect(large.act === 'render' && large.keepEvery > 1).toBe(true);
  });

  it('refuses what would take too long to reduce, and says what to do', () => {
    expect(planGif(gif({ width: 4000, height: 4000, frames: 100 }), limits)).toMatchObject({
      act: 'refuse',
      code: 'media_too_large',
      detail: expect.stringMatching(/4000×4000.*MP4/),
    });
  });

  it('whatever comes in, what is planned lies within the limits and is never larger than before', () => {
    const sizes = fc.record({
      width: fc.integer({ min: 1, max: 65_535 }),
      height: fc.integer({ min: 1, max: 65_535 }),
      frames: fc.integer({ min: 2, max: 5_000 }),
      bytes: fc.integer({ min: 30, max: 600 * 1024 * 1024 }),
    });
    const small = fc.record({
      width: fc.integer({ min: 1, max: 2_000 }),
      height: fc.integer({ min: 1, max: 2_000 }),
      frames: fc.integer({ min: 2, max: 500 }),
      bytes: fc.integer({ min: 30, max: 60_000_000 }),
    });
    fc.assert(
      fc.property(fc.oneof(sizes, small), (size) => {
        const plan = planGif(gif(size), limits);
        if (plan.act === 'refuse') return void expect(plan.detail).toMatch(/Send /);
        const { width, height } = plan.act === 'render' ? plan : size;
        const frames = plan.act === 'render' ? Math.ceil(size.frames / plan.keepEvery) : size.frames;
        expect(width).toBeLessThanOrEqual(Math.min(size.width, limits.maxWidth));
        expect(height).toBeLessThanOrEqual(Math.min(size.height, limits.maxHeight));
        expect(Math.min(width, height, frames)).toBeGreaterThanOrEqual(1);
        expect(frames).toBeLessThanOrEqual(limits.maxFrames);
        expect(width * height * frames).toBeLessThanOrEqual(limits.maxTotalPixels);
        if (plan.act !== 'render') expect(size.bytes).toBeLessThanOrEqual(limits.maxBytes);
      }),
      { numRuns: 3_000 },
    );
  });
});
