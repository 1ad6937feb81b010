/** What H.264 says about its pictures. */
export interface PictureSequence {
  /** They may be interlaced. */
  readonly isInterlaced: boolean;
  /** In lines, of both fields together. */
  readonly height: number;
}

/**
 * Reads the first sequence parameter set (ITU-T H.264, 7.3.2.1.1): of the decoder configuration, or, where a container
 * has none, of the first packet. Null when there is none to read.
 */
export function readSequence(
  configuration: ArrayBufferLike | ArrayBufferView | undefined,
  firstPacket: Uint8Array,
): PictureSequence | null {
  const set = configuration ? setInConfiguration(configuration) : setInStream(firstPacket);
  return set && readSet(set);
}

/** ISO/IEC 14496-15, 5.3.3.1. */
function setInConfiguration(configuration: ArrayBufferLike | ArrayBufferView): Uint8Array | null {
  const bytes = ArrayBuffer.isView(configuration)
    ? new Uint8Array(configuration.buffer, configuration.byteOffset, configuration.byteLength)
    : new Uint8Array(configuration);
  // avcC: five bytes, the number of sets, the length of the first one, its NAL header.
  if (bytes[0] !== 1 || ((bytes[5] ?? 0) & 0x1f) === 0) return null;
  const length = ((bytes[6] ?? 0) << 8) | (bytes[7] ?? 0);
  return bytes.subarray(9, 8 + length);
}

/** Behind a start code and a NAL header that says 7 (ITU-T H.264, annex B); what follows the set is not read. */
function setInStream(bytes: Uint8Array): Uint8Array | null {
  for (let at = 0; at + 3 < bytes.length; at += 1) {
    const isStart = bytes[at] === 0 && bytes[at + 1] === 0 && bytes[at + 2] === 1;
    if (isStart && ((bytes[at + 3] ?? 0) & 0x1f) === 7) return bytes.subarray(at + 4);
  }
  return null;
}

function readSet(set: Uint8Array): PictureSequence {
  const bits = createBitReader(withoutEmulation(set));
  const profile = bits.read(8);
  bits.read(16);
  bits.golomb();
  const isHigh = [100, 110, 122, 244, 44, 83, 86, 118, 128].includes(profile);
  const chroma = isHigh ? readHighProfile(bits) : 1;
  bits.golomb();
  const orderType = bits.golomb();
  if (orderType === 0) bits.golomb();
  if (orderType === 1) {
    bits.read(1);
    bits.golomb();
    bits.golomb();
    for (let count = Math.min(255, bits.golomb()); count > 0; count -= 1) bits.golomb();
  }
  bits.golomb();
  bits.read(1);
  bits.golomb();
  const rows = bits.golomb() + 1;
  const isInterlaced = bits.read(1) === 0;
  if (isInterlaced) bits.read(1);
  bits.read(1);
  const fields = isInterlaced ? 2 : 1;
  const cropped = bits.read(1) === 1 ? readCroppedRows(bits) : 0;
  return { isInterlaced, height: fields * (16 * rows - (chroma === 1 ? 2 : 1) * cropped) };
}

/** In rows of colour of one field. */
function readCroppedRows(bits: BitReader): number {
  bits.golomb();
  bits.golomb();
  return bits.golomb() + bits.golomb();
}

/** Gives the kind of its colours: 1 is 4:2:0. */
function readHighProfile(bits: BitReader): number {
  const chroma = bits.golomb();
  if (chroma === 3) bits.read(1);
  bits.golomb();
  bits.golomb();
  bits.read(1);
  if (bits.read(1) === 0) return chroma;
  for (let list = 0; list < (chroma === 3 ? 12 : 8); list += 1) {
    if (bits.read(1) === 1) skipScalingList(bits, list < 6 ? 16 : 64);
  }
  return chroma;
}

function skipScalingList(bits: BitReader, size: number): void {
  let [last, next] = [8, 8];
  for (let index = 0; index < size; index += 1) {
    if (next !== 0) {
      const code = bits.golomb();
      const delta = code % 2 === 1 ? (code + 1) / 2 : -code / 2;
      next = (last + delta + 256) % 256;
    }
    last = next === 0 ? last : next;
  }
}

interface BitReader {
  read(count: number): number;
  /** Unsigned Exp-Golomb (ITU-T H.264, 9.1). */
  golomb(): number;
}

/** Reads zeros beyond the end. */
function createBitReader(bytes: Uint8Array): BitReader {
  let at = 0;
  const read = (count: number) => {
    let value = 0;
    for (let taken = 0; taken < count; taken += 1, at += 1)
      value = value * 2 + (((bytes[at >> 3] ?? 0) >> (7 - (at & 7))) & 1);
    return value;
  };
  return {
    read,
    golomb() {
      let zeros = 0;
      while (zeros < 32 && read(1) === 0) zeros += 1;
      return 2 ** zeros - 1 + read(zeros);
    },
  };
}

/** A 3 after two zeros keeps a start code from appearing inside (ITU-T H.264, 7.4.1). */
function withoutEmulation(bytes: Uint8Array): Uint8Array {
  return bytes.filter((byte, index) => !(byte === 3 && bytes[index - 1] === 0 && bytes[index - 2] === 0));
}
