import { type Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Sink } from './sink.ts';
import { giveBack } from './used-pieces.ts';

/** How far the network may be ahead of a sink that has to wait: a fast one is not stopped for every piece. */
const aheadBytes = 512 * 1024;

/** The body broke off, for the reason in `cause`; its sink had nothing against it. */
export class BrokenBodyError extends Error {}

/**
 * Brings a body to a sink. Rejects with the sink's own error, or with a BrokenBodyError, and settles no earlier than the
 * sink has let go of the last piece.
 */
export async function bringBody(body: Readable, sink: Sink): Promise<void> {
  let refused = null as { readonly error: unknown } | null;
  let waiting: Promise<void> | undefined;
  let before: Uint8Array | null = null;
  const ask = (act: () => Promise<void> | undefined, done: (error?: Error) => void) => {
    const refuse = (error: unknown) => {
      refused = { error };
      done(new Error('The sink takes no more'));
    };
    try {
      waiting = act()?.then(() => done(), refuse);
      if (!waiting) done();
    } catch (error) {
      refuse(error);
    }
  };
  const target = new Writable({
    highWaterMark: aheadBytes,
    write(piece: Buffer, _encoding, done) {
      // Whoever brought the present one may still look at it.
      if (before) giveBack(before);
      before = piece;
      ask(() => sink.write(piece), done);
    },
    final: (done) => ask(() => sink.end(), done),
  });
  try {
    await pipeline(body, target);
  } catch (cause) {
    await waiting;
    throw refused ? refused.error : new BrokenBodyError('The body broke off', { cause });
  }
}
