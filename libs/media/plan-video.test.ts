import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mediaLimits } from './media-limits.ts';
import { planVideo } from './plan-video.ts';
import type { VideoHeader } from './probe-video.ts';

const limits = mediaLimits.video;
const video = (changes: Partial<VideoHeader>): VideoHeader => ({
  format: 'mp4',
  bytes: 10_000_000,
  stream: 'i:1',
  durationMs: 30_000,
  movieMs: 30_000,
  width: 1_280,
  height: 720,
  hasSquarePixels: true,
  framesPerSecond: 30,
  codec: 'avc',
  codecString: 'avc1.64001f',
  isInterlaced: false,
  audio: { stream: 'i:2', codec: 'aac', codecString: 'mp4a.40.2', channels: 2 },
  ...changes,
});

describe('planVideo', () => {
  it.each([
    [{}],
    [{ format: 'mov' }],
    [{ audio: null }],
    [{ width: 720, height: 1_280 }],
    [{ width: 1_280, height: 1_024 }],
    [{ durationMs: 140_000, movieMs: 140_000, bytes: limits.maxBytes, framesPerSecond: 60 }],
    [{ framesPerSecond: 59.94 }],
    [{ codecString: 'avc1.42E01E' }],
    [{ durationMs: 500 }],
  ] as const)('passes %j', (changes) => expect(planVideo(video(changes), limits)).toEqual({ act: 'pass' }));

  it('copies the packets when only the container is wrong', () => {
    expect(planVideo(video({ format: 'mkv' }), limits)).toMatchObject({
      act: 'transcode',
      video: null,
      audio: 'copy',
    });
    expect(planVideo(video({ format: 'mpegts', audio: null }), limits)).toMatchObject({
      video: null,
      audio: 'none',
    });
  });

  it.each([
    [{ audio: { stream: 'i:2', codec: 'opus', codecString: 'opus', channels: 2 } }, /Opus/],
    [{ audio: { stream: 'i:2', codec: 'aac', codecString: 'mp4a.40.5', channels: 2 } }, /AAC-LC/],
    [{ audio: { stream: 'i:2', codec: 'aac', codecString: 'mp4a.40.29', channels: 2 } }, /AAC-LC/],
    [{ audio: { stream: 'i:2', codec: 'aac', codecString: 'mp4a.40.2', channels: 6 } }, /6 channels/],
    [{ audio: { stream: 'i:2', codec: null, codecString: null, channels: 2 } }, /unknown/],
  ] as const)('encodes the sound alone of %j', (changes, reason) => {
    expect(planVideo(video(changes), limits)).toMatchObject({
      act: 'transcode',
      video: null,
      audio: 'encode',
      reasons: [expect.stringMatching(reason)],
    });
  });

  it.each([
    [{ movieMs: 170_000 }, 139_700],
    [{ movieMs: 140_001 }, 139_700],
    [{ format: 'mkv', movieMs: 139_990 }, 139_700],
    [{ format: 'mkv', movieMs: 139_700 }, null],
  ] as const)('cuts %j, whose packets it copies, at %j ms', (changes, cutMs) =>
    expect(planVideo(video(changes), limits)).toMatchObject({ video: null, audio: 'copy', cutMs }),
  );

  it('names every reason', () => {
    const plan = planVideo(
      video({
        format: 'webm',
        codec: 'vp9',
        codecString: 'vp09.00',
        width: 3_840,
        height: 2_160,
        framesPerSecond: 120,
        isInterlaced: true,
        hasSquarePixels: false,
        bytes: 600 * 1024 * 1024,
      }),
      limits,
    );
    expect(plan).toMatchObject({
      act: 'transcode',
      video: { width: 1_280, height: 720, framesPerSecond: 60 },
    });
    expect(plan.act === 'transcode' && plan.reasons.join()).toMatch(
      /WebM.*VP9.*interlaced.*3840×2160.*square.*120 frames.*600 MB where X takes 512 MB/,
    );
  });

  it.each([
    [{ durationMs: Number.NaN }],
    [{ width: 0 }],
    [{ framesPerSecond: 0 }],
    [{ durationMs: Number.POSITIVE_INFINITY }],
  ])('refuses %j, which cannot be', (changes) =>
    expect(planVideo(video(changes), limits)).toMatchObject({ act: 'refuse', code: 'media_broken' }),
  );

  it('plans nothing that is itself outside the limits', () => {
    const any = fc.record({
      width: fc.integer({ min: 0, max: 10_000 }),
      height: fc.integer({ min: 0, max: 10_000 }),
      durationMs: fc.integer({ min: 0, max: 300_000 }),
      movieMs: fc.integer({ min: 0, max: 300_000 }),
      framesPerSecond: fc.double({ min: 0, max: 1_000, noNaN: true }),
      bytes: fc.integer({ min: 0, max: 2 ** 31 }),
      codec: fc.constantFrom('avc', 'hevc', null),
    });
    fc.assert(
      fc.property(any, (changes) => {
        const plan = planVideo(video(changes), limits);
        if (plan.act === 'refuse') return void expect(plan.detail).toMatch(/Send|Cut|Crop|Export/);
        const made = plan.act === 'transcode' ? plan.video : null;
        const shown = made?.padded ?? made ?? changes;
        if (made?.padded) {
          expect(made.width).toBeLessThanOrEqual(made.padded.width);
          expect(made.height).toBeLessThanOrEqual(made.padded.height);
        }
        const [long, short] = [Math.max(shown.width, shown.height), Math.min(shown.width, shown.height)];
        expect(long).toBeLessThanOrEqual(limits.maxLongSide);
        expect(short).toBeLessThanOrEqual(limits.maxShortSide);
        expect(long / short).toBeLessThanOrEqual(limits.maxAspectRatio);
        expect(changes.durationMs).toBeLessThanOrEqual(limits.maxDurationMs);
        const lastsMs = plan.act === 'transcode' ? (plan.cutMs ?? changes.movieMs) : changes.movieMs;
        expect(lastsMs).toBeLessThanOrEqual(limits.maxDurationMs);
        if (plan.act === 'pass') expect(changes.bytes).toBeLessThanOrEqual(limits.maxBytes);
        else expect((plan.maxBitRate * changes.durationMs) / 8000).toBeLessThan(limits.maxBytes);
        if (plan.act === 'transcode' && plan.video)
          expect([shown.width % 2, shown.height % 2, plan.video.width % 2, plan.video.height % 2]).toEqual([
            0, 0, 0, 0,
          ]);
      }),
      { numRuns: 2_000 },
    );
  });
});
