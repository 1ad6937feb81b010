import type { Sink } from './sink.ts';

/** What a sink that something was put in front of has been given in the end. */
export async function bytesThrough(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  inFront: (sink: Sink) => Sink,
): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  await bringAll(pieces, inFront({ write: (piece) => void parts.push(piece), end: async () => {} }));
  return Buffer.concat(parts);
}

/** Brings all pieces to a sink, one after another. */
export async function bringAll(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  sink: Sink,
): Promise<void> {
  for await (const piece of pieces) await sink.write(piece);
  await sink.end();
}
