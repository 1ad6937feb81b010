import { AsyncLocalStorage } from 'node:async_hooks';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Sink } from './sink.ts';
import { giveBack } from './used-pieces.ts';

/** The body broke off, for the reason in `cause`; its sink had nothing against it. */
export class BrokenBodyError extends Error {}

/**
 * Brings a body to a sink, all of it that is there at a time. Nothing is waited for but what the sink has it wait for, where
 * an iterator would wait for each piece. Rejects with the sink's own error, or with a BrokenBodyError, and settles no
 * earlier than the sink has let go of the last piece.
 */
export async function bringBody(body: Readable, sink: Sink): Promise<void> {
  let refused = null as { readonly error: unknown } | null;
  let waiting: Promise<void> | undefined;
  let before: Uint8Array | null = null;
  const refuse = (error: unknown) => {
    refused = { error };
    body.destroy();
  };
  const goOn = () => {
    waiting = undefined;
    take();
  };
  const take = () => {
    try {
      while (!waiting && !body.destroyed) {
        const piece: Uint8Array | null = body.read();
        if (!piece) return;
        // Whoever brought the present one may still look at it.
        if (before) giveBack(before);
        before = piece;
        waiting = sink.write(piece)?.then(goOn, refuse);
      }
    } catch (error) {
      refuse(error);
    }
  };
  // The bytes come with the connection, which may be that of an earlier job: what the sink begins belongs to this one.
  body.on('readable', AsyncLocalStorage.bind(take));
  const broken = await finished(body, { writable: false }).then(
    () => null,
    (cause: unknown) => new BrokenBodyError('The body broke off', { cause }),
  );
  await waiting;
  if (refused) throw refused.error;
  if (broken) throw broken;
  await sink.end();
}
