import sharp from 'sharp';

/** Animations made on the spot, for tests: a coloured square that wanders over the frames. */
export async function animation(options: {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly format?: 'gif' | 'webp';
  /** Grain makes it large. */
  readonly grain?: boolean;
}): Promise<Buffer> {
  const { width, height, frames, format = 'gif', grain = false } = options;
  const data = Buffer.alloc(width * height * frames * 3, 200);
  let state = 7;
  for (let frame = 0; frame < frames; frame += 1) {
    const left = Math.floor(((width - 8) * frame) / Math.max(1, frames - 1));
    for (let y = 0; y < height; y += 1)
      for (let x = 0; x < width; x += 1) {
        const at = ((frame * height + y) * width + x) * 3;
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        if (x >= left && x < left + 8 && y < 8) data.set([255, 0, 0], at);
        else if (grain) data.fill(state >>> 24, at, at + 3);
      }
  }
  const image = sharp(data, { raw: { width, height: height * frames, channels: 3, pageHeight: height } });
  const delay = Array.from({ length: frames }, () => 50);
  return format === 'gif'
    ? await image.gif({ delay, loop: 0, effort: 1 }).toBuffer()
    : await image.webp({ delay, loop: 0, effort: 0 }).toBuffer();
}

/** A GIF of one block each as the specification has them; what is given replaces the usual. */
export function handmadeGif({
  width = 2,
  height = 2,
  frameWidth = width,
  frameHeight = height,
  frames = 1,
  extra = Buffer.alloc(0),
  tail = Buffer.from([0x3b]),
}: Partial<Record<'width' | 'height' | 'frameWidth' | 'frameHeight' | 'frames', number>> & {
  extra?: Buffer;
  tail?: Buffer;
} = {}): Buffer {
  const u16 = (value: number) => [value & 0xff, value >> 8];
  const head = Buffer.from([
    ...Buffer.from('GIF89a'),
    ...u16(width),
    ...u16(height),
    0x80,
    0,
    0,
    0,
    0,
    0,
    255,
    255,
    255,
  ]);
  const timing = [0x21, 0xf9, 4, 0, 10, 0, 0, 0];
  // One pixel of colour 0 and the end code: decoders fill the rest or object, the structure is right.
  const frame = [0x2c, 0, 0, 0, 0, ...u16(frameWidth), ...u16(frameHeight), 0, 2, 2, 0x44, 0x01, 0];
  const body = Array.from({ length: frames }, () => [...timing, ...frame]).flat();
  return Buffer.concat([head, extra, Buffer.from(body), tail]);
}
