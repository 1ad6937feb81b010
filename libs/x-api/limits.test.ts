import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { segmentBytesFor, xLimits } from './limits.ts';

const mebibyte = 1024 * 1024;

describe('segmentBytesFor', () => {
  it('cuts any media that X takes into segments that X takes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: xLimits.video.maxBytes }), (totalBytes) => {
        const segmentBytes = segmentBytesFor(totalBytes);
        const segments = Math.ceil(totalBytes / segmentBytes);
        // X takes segment_index 0 to 999, and has refused 5 MB.
        expect(segments).toBeLessThanOrEqual(1000);
        expect(segmentBytes).toBeLessThan(5_000_000);
        expect(segmentBytes % mebibyte).toBe(0);
        // An account may append 1,875 times in 15 minutes: fourteen of the largest videos.
        expect(segments).toBeLessThanOrEqual(128);
      }),
    );
  });

  it('refuses what does not fit into as many segments as X takes', () => {
    expect(segmentBytesFor(4000 * mebibyte)).toBe(4 * mebibyte);
    expect(() => segmentBytesFor(4000 * mebibyte + 1)).toThrow(RangeError);
  });
});
