import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What a rule does with a command that fits it, at the moment when it passes or when its reply comes back. */
export interface RelayRule {
  /** Looked for in the command's bytes, as in `"to":"sending"`: the move that begins a send. */
  readonly command: string;
  /** Which of the fitting commands, counted from 1; the first by default. */
  readonly nth?: number;
  /** `request`: before Redis sees it. `reply`: Redis has done it, and the client does not know yet. */
  readonly at: 'request' | 'reply';
  /** Afterwards: pass it on (the default), or lose it along with its connection. */
  readonly afterwards?: 'pass' | 'lose';
  /** Awaited before anything goes on. */
  readonly act?: () => void | Promise<void>;
}

/** A wire to Redis that can be cut, stalled, and made to lose single replies. */
export interface RedisRelay extends AsyncDisposable {
  readonly url: string;
  /** Plays a rule once; resolves when it has been played. */
  once(rule: RelayRule): Promise<void>;
  /** Ends every connection and takes no new ones. */
  cut(): void;
  /** Leaves connections as they are and moves no byte. */
  stall(): void;
  /** Undoes `cut` and `stall`. */
  mend(): void;
}

interface Waiting {
  readonly rule: RelayRule;
  skip: number;
  readonly played: PromiseWithResolvers<void>;
}

/** Starts a relay in front of the Redis on a loopback port. */
export async function startRedisRelay(redisPort: number): Promise<RedisRelay> {
  let waiting: Waiting[] = [];
  let isCut = false;
  let stalled: PromiseWithResolvers<void> | null = null;
  const sockets = new Set<Socket>();
  const take = (command: Buffer): Waiting | null => {
    const due = waiting.find(({ rule }) => command.includes(rule.command));
    if (!due) return null;
    if (due.skip > 0) {
      due.skip -= 1;
      return null;
    }
    waiting = waiting.filter((other) => other !== due);
    return due;
  };
  const server = createServer((client) => {
    if (isCut) return void client.destroy();
    const redis = connect(redisPort, '127.0.0.1');
    for (const [socket, other] of [
      [client, redis],
      [redis, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    relay(client, redis, {
      take,
      putBack: (rule) => waiting.unshift(rule),
      idle: async () => stalled?.promise,
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const destroyAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  const mend = () => {
    isCut = false;
    stalled?.resolve();
    stalled = null;
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    once(rule) {
      const played = Promise.withResolvers<void>();
      waiting.push({ rule, skip: (rule.nth ?? 1) - 1, played });
      return played.promise;
    },
    cut() {
      isCut = true;
      destroyAll();
    },
    stall() {
      stalled ??= Promise.withResolvers<void>();
    },
    mend,
    async [Symbol.asyncDispose]() {
      mend();
      destroyAll();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Wire {
  readonly take: (command: Buffer) => Waiting | null;
  readonly putBack: (rule: Waiting) => void;
  readonly idle: () => Promise<unknown>;
}

/** Moves whole commands and whole replies, so that each reply is known by its command. */
function relay(client: Socket, redis: Socket, { take, putBack, idle }: Wire): void {
  const unanswered: (Waiting | null)[] = [];
  void move(client, async (command) => {
    await idle();
    const due = take(command);
    unanswered.push(due);
    if (due?.rule.at === 'request') {
      await due.rule.act?.();
      due.played.resolve();
      if (due.rule.afterwards === 'lose') return void client.destroy();
    }
    redis.write(command);
  });
  void move(redis, async (reply) => {
    await idle();
    const due = unanswered.shift();
    if (due?.rule.at === 'reply') {
      // The script is not known yet: the client sends it whole next.
      if (reply.toString('latin1', 0, 9) === '-NOSCRIPT') putBack(due);
      else {
        await due.rule.act?.();
        due.played.resolve();
        if (due.rule.afterwards === 'lose') return void client.destroy();
      }
    }
    client.write(reply);
  });
}

async function move(from: Socket, act: (message: Buffer) => Promise<void>): Promise<void> {
  let rest = Buffer.alloc(0);
  try {
    for await (const chunk of from) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      for (let end = endOf(rest, 0); end > 0; end = endOf(rest, 0)) {
        const message = rest.subarray(0, end);
        rest = rest.subarray(end);
        await act(message);
      }
    }
  } catch {
    // A connection that broke is what this is for.
  }
}

/** Where the message that begins at `start` ends (RESP, redis.io/docs/latest/develop/reference/protocol-spec); 0: not all there. */
function endOf(bytes: Buffer, start: number): number {
  const line = bytes.indexOf('\r\n', start);
  if (line < 0) return 0;
  const kind = String.fromCharCode(bytes[start] ?? 0);
  const length = Number(bytes.toString('latin1', start + 1, line));
  const after = line + 2;
  if ('$=!'.includes(kind)) {
    if (length < 0) return after;
    return after + length + 2 <= bytes.length ? after + length + 2 : 0;
  }
  const parts = '*~>'.includes(kind) ? length : kind === '%' ? length * 2 : 0;
  let end = after;
  for (let part = 0; part < parts && end > 0; part++) end = endOf(bytes, end);
  return end;
}
