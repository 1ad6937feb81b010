import sharp, { type Sharp } from 'sharp';

/** Pictures made on the spot, for tests. */

/** Four quarters of different colours, so that each way of turning it shows: red, green / blue, yellow. */
export function quarters(width: number, height: number): Sharp {
  const colours = ['#ff0000', '#00ff00', '#0000ff', '#ffff00'];
  const [w, h] = [Math.ceil(width / 2), Math.ceil(height / 2)];
  const svg = colours
    .map(
      (colour, index) =>
        `<rect x="${(index % 2) * w}" y="${index > 1 ? h : 0}" width="${w}" height="${h}" fill="${colour}"/>`,
    )
    .join('');
  return sharp(
    Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${svg}</svg>`),
  ).removeAlpha();
}

/** Noise that compresses badly; the same for the same size. */
export function noise(width: number, height: number, channels: 3 | 4 = 3, shift = 0): Sharp {
  const data = Buffer.alloc(width * height * channels);
  let state = 0x2545f491;
  for (let index = 0; index < data.length; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[index] = (state >>> 24) >>> shift;
  }
  return sharp(data, { raw: { width, height, channels } });
}

/** Something like a photo: soft shapes with some grain. */
export async function photo(width: number, height: number): Promise<Sharp> {
  const small = await noise(Math.ceil(width / 40), Math.ceil(height / 40))
    .png()
    .toBuffer();
  const shapes = await sharp(small)
    .resize(width, height, { fit: 'fill', kernel: 'cubic' })
    .removeAlpha()
    .raw()
    .toBuffer();
  let state = 1;
  for (let index = 0; index < shapes.length; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    shapes[index] = Math.min(255, Math.max(0, (shapes[index] ?? 0) + (state >>> 28) - 8));
  }
  return sharp(shapes, { raw: { width, height, channels: 3 } });
}

/** The colours in the middle of the four quarters, in reading order; each channel as 0 or 255. */
export async function quarterColours(file: string | Buffer): Promise<string[]> {
  const { data, info } = await sharp(file).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return [1, 3].flatMap((row) =>
    [1, 3].map((column) => {
      const x = Math.floor((info.width * column) / 4);
      const y = Math.floor((info.height * row) / 4);
      const at = (y * info.width + x) * info.channels;
      return [...data.subarray(at, at + 3)].map((value) => (value > 127 ? '1' : '0')).join('');
    }),
  );
}

/** EXIF as a camera writes it: place, maker, time. */
export const cameraExif = {
  IFD0: { Make: 'CanaryCam', Copyright: 'canary-owner' },
  IFD3: {
    GPSLatitudeRef: 'N',
    GPSLatitude: '52/1 31/1 0/1',
    GPSLongitudeRef: 'E',
    GPSLongitude: '13/1 24/1 0/1',
  },
};
