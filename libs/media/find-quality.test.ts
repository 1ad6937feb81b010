import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findQuality } from './find-quality.ts';

const range = { best: 92, worst: 45 };

describe('findQuality', () => {
  it('takes the best quality at once when it fits', async () => {
    const asked: number[] = [];
    const quality = await findQuality(
      async (at) => {
        asked.push(at);
        return at * 1000;
      },
      92_000,
      range,
    );
    expect([quality, asked]).toEqual([92, [92]]);
  });

  it('finds a quality that fits whenever one does, asking few times, and wastes little', async () => {
    const curve = fc.record({
      scale: fc.double({ min: 1e4, max: 1e8, noNaN: true }),
      steepness: fc.double({ min: 0.005, max: 0.09, noNaN: true }),
      bend: fc.double({ min: 0, max: 3, noNaN: true }),
    });
    await fc.assert(
      fc.asyncProperty(
        curve,
        fc.double({ min: 0.05, max: 1.2, noNaN: true }),
        async ({ scale, steepness, bend }, share) => {
          const bytesAt = (at: number) => scale * Math.exp(steepness * at) * (1 + bend * (at / 100) ** 8);
          const maxBytes = bytesAt(range.best) * share;
          let asked = 0;
          const quality = await findQuality(
            async (at) => {
              asked += 1;
              return bytesAt(at);
            },
            maxBytes,
            range,
          );
          expect(asked).toBeLessThanOrEqual(7);
          expect(quality).toBeGreaterThanOrEqual(range.worst);
          expect(quality).toBeLessThanOrEqual(range.best);
          if (bytesAt(range.worst) <= maxBytes) expect(bytesAt(quality)).toBeLessThanOrEqual(maxBytes);
          else expect(quality).toBe(range.worst);
          if (quality < range.best && bytesAt(range.worst) <= maxBytes)
            expect(bytesAt(quality) >= maxBytes * 0.6 || bytesAt(quality + 1) > maxBytes).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
