import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cleaning } from './clean-body.ts';
import { blankWithin, findMetadata } from './mp4-metadata.ts';
import { bytesThrough } from './test-sink.ts';

/** A box; `wide` spells its size in 64 bits. */
function box(type: string, content: readonly Buffer[] | string, wide = false): Buffer {
  const body = typeof content === 'string' ? Buffer.from(content) : Buffer.concat(content);
  const header = Buffer.alloc(wide ? 16 : 8);
  header.writeUInt32BE(wide ? 1 : 8 + body.length, 0);
  header.write(type, 4, 'latin1');
  if (wide) header.writeBigUInt64BE(BigInt(16 + body.length), 8);
  return Buffer.concat([header, body]);
}

const ftyp = box('ftyp', 'isom\0\0\0\0isomavc1');
const handler = (kind: string, name = '') =>
  box('hdlr', `\0\0\0\0\0\0\0\0${kind}\0\0\0\0\0\0\0\0\0\0\0\0${name}\0`);

async function clean(file: Buffer): Promise<{ cleaned: Buffer; found: number }> {
  const cleaned = Buffer.from(file);
  const read = async (offset: number, length: number) => file.subarray(offset, offset + length);
  const blanks = await findMetadata(read, 0, file.length);
  for (const blank of blanks) blankWithin(cleaned, blank);
  return { cleaned, found: blanks.length };
}

/** The same while it comes in, cut into pieces of these lengths. */
async function cleanComing(
  file: Buffer,
  lengths: readonly number[],
): Promise<{ cleaned: Buffer; removed: boolean }> {
  function* pieces() {
    for (let at = 0, turn = 0; at < file.length; turn += 1) {
      const length = lengths[turn % lengths.length] ?? 1;
      yield file.subarray(at, at + length);
      at += length;
    }
  }
  let removed = false;
  const onRemoved = () => {
    removed = true;
  };
  const cleaned = await bytesThrough(pieces(), (sink) => cleaning(sink, onRemoved));
  return { cleaned, removed };
}

const secret = 'SECRET+48.8577+002.2950/';
const film = 'FILM-PICTURES-AND-SOUND';
const parts = {
  /** What has to stay, byte for byte. */
  needed: fc.constantFrom(
    box('mvhd', film),
    box('mvex', [box('trex', film)]),
    box('free', ''),
    box('trak', [box('tkhd', film), box('mdia', [handler('vide'), box('minf', [box('stbl', film)])], true)]),
    box('trak', [
      box('tkhd', film),
      box('tref', film),
      box('mdia', [handler('soun', 'SoundHandler'), box('minf', film)]),
    ]),
    box('udta', [box('©too', 'Lavf60')]),
  ),
  secret: fc.constantFrom(
    box('udta', [box('©xyz', secret), box('©swr', 'Lavf')]),
    box('udta', [
      box('meta', [Buffer.alloc(4), handler('mdir'), box('ilst', [box('©too', 'x'), box('©nam', secret)])]),
    ]),
    box('udta', [box('loci', secret)], true),
    box('meta', [handler('mdta'), box('keys', secret)]),
    box('uuid', `0123456789abcdef<x:xmpmeta>${secret}`),
    box('Xtra', secret),
    box('trak', [box('tkhd', film), box('mdia', [handler('vide', secret), box('minf', film)])]),
    box('trak', [
      box('tkhd', film),
      box('udta', secret),
      box('mdia', [handler('vide'), box('meta', secret)]),
    ]),
    // A track of positions goes as a whole, its tables with it.
    box('trak', [box('tkhd', secret), box('mdia', [handler('meta'), box('minf', secret)])]),
  ),
};
const beside = fc.constantFrom(
  box('mdat', film),
  box('mdat', film, true),
  box('moof', [box('traf', film)]),
  box('uuid', `0123456789abcdef${secret}`),
  box('meta', [box('xml ', secret)]),
  box('wide', ''),
  box('abcd', secret),
);
/** What somebody may have put behind the last box. */
const tail = fc.constantFrom(
  Buffer.alloc(0),
  Buffer.from(`PK\x03\x04\x14\0\0\0${secret}`),
  Buffer.from(secret),
  Buffer.from(`\0\0\0\x01\x01\0\0\0${secret}`),
  Buffer.from(`${'\0'.repeat(64)}${secret}`),
  Buffer.from('\0\0\0'),
);
const movie = fc
  .array(fc.oneof(parts.needed, parts.secret), { maxLength: 8 })
  .chain((content) => fc.boolean().map((wide) => box('moov', content, wide)));
const file = fc
  .tuple(fc.array(fc.oneof(beside, movie), { minLength: 1, maxLength: 6 }), tail)
  .map(([boxes, end]) => Buffer.concat([ftyp, ...boxes, end]));
const lengths = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 5 });
const times = (bytes: Buffer, text: string) => bytes.toString('latin1').split(text).length - 1;

describe('the metadata of an MP4', () => {
  it('is gone, wherever it stands; pictures, sound and their tables stay where they are', async () => {
    await fc.assert(
      fc.asyncProperty(file, async (bytes) => {
        const { cleaned } = await clean(bytes);
        expect(cleaned.length).toBe(bytes.length);
        expect(times(cleaned, 'SECRET')).toBe(0);
        expect(times(cleaned, film)).toBe(times(bytes, film));
        expect((await clean(cleaned)).found).toBe(0);
      }),
    );
  });

  it('goes the same way while the file comes in, however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(file, lengths, async (bytes, cuts) => {
        const { cleaned, found } = await clean(bytes);
        const coming = await cleanComing(bytes, cuts);
        expect(coming.cleaned.equals(cleaned)).toBe(true);
        expect(coming.removed).toBe(found > 0);
      }),
    );
  });

  it('is looked for in lying boxes too: nothing outside of them is touched, and it ends', async () => {
    const lies = fc.array(fc.tuple(fc.nat(600), fc.constantFrom(0, 1, 7, 8, 255, 0x7f, 0xff)), {
      minLength: 1,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(file, lies, lengths, async (bytes, changes, cuts) => {
        const hostile = Buffer.from(bytes);
        for (const [at, value] of changes)
          hostile[ftyp.length + (at % (hostile.length - ftyp.length))] = value;
        const read = async (offset: number, length: number) => hostile.subarray(offset, offset + length);
        const blanks = await findMetadata(read, 0, hostile.length);
        let reached = 0;
        for (const { from, end } of [...blanks].sort((a, b) => a.from - b.from)) {
          expect(from).toBeGreaterThanOrEqual(reached);
          expect(end).toBeGreaterThanOrEqual(from);
          reached = end;
        }
        expect(reached).toBeLessThanOrEqual(hostile.length);
        const { cleaned } = await clean(hostile);
        expect((await cleanComing(hostile, cuts)).cleaned.equals(cleaned)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('goes even from a box that claims more than the file has', async () => {
    const uuid = box('uuid', secret);
    uuid.writeUInt32BE(0x7fffffff, 0);
    const bytes = Buffer.concat([ftyp, box('mdat', film), uuid]);
    expect(times((await clean(bytes)).cleaned, secret)).toBe(0);
    expect(times((await cleanComing(bytes, [7])).cleaned, secret)).toBe(0);
  });

  it('takes what stands behind the last box along: an empty box is there, up to the end', async () => {
    const boxes = Buffer.concat([ftyp, box('mdat', film)]);
    for (const [end, left] of [
      [`PK\x03\x04\x14\0\0\0${secret}PK\x05\x06`, `\0\0\0\0free${'\0'.repeat(secret.length + 4)}`],
      ['PK\x05', '\0\0\0'],
    ] as const) {
      const bytes = Buffer.concat([boxes, Buffer.from(end)]);
      const { cleaned } = await clean(bytes);
      expect(cleaned).toEqual(Buffer.concat([boxes, Buffer.from(left)]));
      expect(await cleanComing(bytes, [5])).toEqual({ cleaned, removed: true });
    }
  });

  it('is not looked for behind pictures and sound that go on to the end of the file', async () => {
    const open = box('mdat', film);
    open.writeUInt32BE(0, 0);
    const bytes = Buffer.concat([ftyp, open, Buffer.from('more of it')]);
    expect(await clean(bytes)).toEqual({ cleaned: bytes, found: 0 });
    expect(await cleanComing(bytes, [5])).toEqual({ cleaned: bytes, removed: false });
  });

  it('that is only the name of the program that wrote it, or none, leaves the file as it is', async () => {
    for (const content of [
      box('udta', [box('©swr', 'Lavf60.16.100'), Buffer.alloc(4)]),
      box('udta', [box('meta', [Buffer.alloc(4), handler('mdir'), box('ilst', [box('©too', 'Lavf60')])])]),
      box('udta', []),
      box('trak', [box('mdia', [handler('vide', 'VideoHandler')])]),
      box('trak', [box('mdia', [handler('vide', '\x10Core Media Video')])]),
    ]) {
      const bytes = Buffer.concat([ftyp, box('moov', [box('mvhd', film), content])]);
      expect(await clean(bytes)).toEqual({ cleaned: bytes, found: 0 });
    }
  });

  it('is not looked for in a picture, whose boxes of that name are the picture', async () => {
    const avif = Buffer.concat([
      box('ftyp', 'avif\0\0\0\0avifmif1'),
      box('meta', [handler('pict'), box('iinf', film)]),
    ]);
    expect(await cleanComing(avif, [3])).toEqual({ cleaned: avif, removed: false });
  });

  it('stays in tables too large to hold, until all of it is on disk', async () => {
    const tables = box('moov', [box('mvhd', 'x'.repeat(5 * 1024 * 1024)), box('udta', secret)]);
    const bytes = Buffer.concat([ftyp, tables, box('mdat', film)]);
    const { cleaned, removed } = await cleanComing(bytes, [65_536]);
    expect([cleaned.equals(bytes), removed]).toEqual([true, false]);
    expect(times((await clean(bytes)).cleaned, secret)).toBe(0);
  });
});
