import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ImageInspection } from './inspect.ts';
import { mediaLimits } from './media-limits.ts';
import { planImage } from './plan.ts';

const limits = mediaLimits.image;
const image = (changes: Partial<ImageInspection>): ImageInspection => {
  const bytes = changes.bytes ?? 1_000_000;
  return {
    kind: 'image',
    format: 'jpeg',
    bytes,
    width: 1_600,
    height: 1_200,
    orientation: 1,
    hasAlpha: false,
    isPlainColour: true,
    profile: 'none',
    frames: 1,
    isAnimatedPng: false,
    stretches: [[0, bytes]],
    ...changes,
  };
};

describe('planImage', () => {
  it('passes what fits and carries nothing but its picture', () => {
    expect(planImage(image({}), limits)).toEqual({ act: 'pass' });
    expect(planImage(image({ bytes: limits.maxBytes, width: 4096, height: 4096 }), limits)).toEqual({
      act: 'pass',
    });
  });

  it('takes out what is no picture when that is all there is to do', () => {
    const stretches = [
      [0, 10],
      [500, 900_000],
    ] as const;
    expect(planImage(image({ stretches }), limits)).toEqual({ act: 'strip', stretches });
    expect(planImage(image({ stretches, profile: 'srgb' }), limits).act).toBe('strip');
    expect(planImage(image({ stretches, bytes: limits.maxBytes + 1 }), limits).act).toBe('strip');
  });

  it.each([
    ['is too large', { bytes: limits.maxBytes + 1 }],
    ['is too long', { width: 4097 }],
    ['lies on its side', { orientation: 6 }],
    ['has other colours', { profile: 'other' }],
    ['has 16 bits or CMYK', { isPlainColour: false }],
    ['moves', { frames: 3 }],
    ['is not built as it should be', { stretches: null }],
  ] as const)('encodes anew what %s', (_name, changes) => {
    expect(planImage(image(changes), limits).act).toBe('render');
  });

  it('keeps the format where it can be kept', () => {
    const formats = (format: ImageInspection['format']) => {
      const plan = planImage(image({ format, stretches: null }), limits);
      return plan.act === 'render' ? plan.formats : null;
    };
    expect(formats('jpeg')?.opaque).toEqual(['jpeg']);
    expect(formats('webp')?.opaque).toEqual(['webp']);
    expect(formats('png')).toEqual({ opaque: ['png', 'jpeg'], transparent: ['png', 'webp'] });
    expect(formats('avif')).toEqual({ opaque: ['jpeg'], transparent: ['png', 'webp'] });
  });

  it('never passes what breaks a limit, and refuses only what may not be decoded', () => {
    const any = fc.record({
      format: fc.constantFrom('jpeg', 'png', 'webp', 'avif', 'gif'),
      bytes: fc.integer({ min: 1, max: 100 * 1024 * 1024 }),
      width: fc.integer({ min: 1, max: 20_000 }),
      height: fc.integer({ min: 1, max: 20_000 }),
      orientation: fc.integer({ min: 1, max: 8 }),
      isPlainColour: fc.boolean(),
      profile: fc.constantFrom('none', 'srgb', 'other'),
      frames: fc.integer({ min: 1, max: 3 }),
      stretches: fc.option(fc.constant([[0, 50] as const, [60, 100] as const])),
    });
    fc.assert(
      fc.property(any, (changes) => {
        const plan = planImage(image(changes), limits);
        const mayBeDecoded =
          changes.width * changes.height <= limits.maxInputPixels && changes.bytes <= limits.maxInputBytes;
        expect(plan.act === 'refuse').toBe(!mayBeDecoded);
        if (plan.act === 'refuse') expect(plan.detail).toContain('Send a smaller one');
        if (plan.act !== 'pass' && plan.act !== 'strip') return;
        expect(Math.max(changes.width, changes.height)).toBeLessThanOrEqual(limits.maxSide);
        expect([changes.orientation, changes.isPlainColour, changes.frames]).toEqual([1, true, 1]);
        expect(changes.profile).not.toBe('other');
        if (plan.act === 'pass') expect(changes.bytes).toBeLessThanOrEqual(limits.maxBytes);
      }),
      { numRuns: 2_000 },
    );
  });
});
