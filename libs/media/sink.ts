/** Takes a body piece by piece. */
export interface Sink {
  /**
   * Takes the next piece; what it keeps of it, it copies, since the memory is given back afterwards. Most pieces are taken
   * at once; a promise has the next one wait. Throws, or rejects, to end the body there.
   */
  write(piece: Uint8Array): Promise<void> | undefined;
  /** All of it has come. */
  end(): Promise<void>;
}

/** A sink that ends the body with `tooLarge` at the first byte too many. */
export function upTo(maxBytes: number, sink: Sink, tooLarge: (maxBytes: number) => Error): Sink {
  let bytes = 0;
  return {
    write(piece) {
      bytes += piece.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      return sink.write(piece);
    },
    end: () => sink.end(),
  };
}

/**
 * A sink that asks who takes the body once its first `headBytes` are here, or all of it where it is shorter; until then
 * it keeps what comes.
 */
export function byHead(headBytes: number, choose: (head: Uint8Array) => Promise<Sink>): Sink {
  const kept: Uint8Array[] = [];
  let keptBytes = 0;
  let chosen: Sink | null = null;

  async function pass(): Promise<Sink> {
    const start = Buffer.concat(kept.splice(0));
    chosen = await choose(start.subarray(0, headBytes));
    await chosen.write(start);
    return chosen;
  }
  return {
    write(piece) {
      if (chosen) return chosen.write(piece);
      kept.push(Buffer.from(piece));
      keptBytes += piece.length;
      return keptBytes < headBytes ? undefined : pass().then(() => {});
    },
    async end() {
      await (chosen ?? (await pass())).end();
    },
  };
}
