import { type Command, Redis, type RedisOptions } from 'ioredis';

/**
 * How a connection behaves while Redis is away.
 * `fail-fast`: commands fail at once (the API answers 503 instead of hanging).
 * `wait`: commands wait for Redis to come back (workers; also BullMQ's blocking connections).
 */
export type WhenAway = 'fail-fast' | 'wait';

/** A Redis that does not answer within both together is away: together they are less than a second. */
const answerWithinMs = 800;
const secondChanceMs = 100;

/** Options for `new Redis(url, options)`, also handed to BullMQ, which opens its own connections. */
export function redisOptions(whenAway: WhenAway): Omit<RedisOptions, 'replyMapping'> {
  return {
    // The default back-off grows to 20 s, and a Redis that is back would be refused that much longer.
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 5), 1000),
    connectTimeout: 5000,
    ...(whenAway === 'fail-fast'
      ? { enableOfflineQueue: false, maxRetriesPerRequest: 1, commandTimeout: answerWithinMs }
      : { maxRetriesPerRequest: null }),
  };
}

/**
 * Commands leave in few writes: those of one turn of the event loop together. Each write costs a system call here and
 * wakes Redis there, which syncs its file to disk before it answers: the more it finds at a time, the fewer times.
 */
class FewWrites extends Redis {
  override sendCommand(command: Command, stream?: Parameters<Redis['sendCommand']>[1]): unknown {
    const { commandTimeout } = this.options;
    if (commandTimeout) giveSecondChance(command);
    const socket = this.stream;
    if (socket && !socket.writableCorked) {
      socket.cork();
      setImmediate(commandTimeout ? leaveAfterAnswer : leave, socket);
    }
    return super.sendCommand(command, stream);
  }
}

type Socket = Redis['stream'];

const leave = (socket: Socket): void => socket.uncork();

/** Whose last write has no answer yet. */
const unanswered = new WeakSet<Socket>();

/**
 * What comes before the last write is answered leaves together after that, too: many requests are served at a time, each
 * with a command or two. Not for workers, whose jobs take many steps: each step would wait for those of the others.
 */
function leaveAfterAnswer(socket: Socket): void {
  if (unanswered.has(socket)) {
    socket.once('data', () => setImmediate(leaveAfterAnswer, socket));
    return;
  }
  const isAny = socket.writableLength > 0;
  socket.uncork();
  // An answer comes only to what has left: not to what a full connection still holds, and a pipeline writes later.
  if (!isAny || socket.writableLength > 0) return;
  unanswered.add(socket);
  socket.once('data', () => unanswered.delete(socket));
}

/**
 * Where this process itself was busy, the time is over before the answer that lies there could be read, or before the
 * command could leave: Redis is not to blame for that, and gets a moment more. Where this process stood still for longer,
 * so may have the whole machine with Redis on it, whose time begins anew.
 */
function giveSecondChance(command: Command): void {
  const { reject } = command;
  const sentAt = performance.now();
  command.reject = (error) => {
    if (error.message !== 'Command timed out') return reject(error);
    const lateMs = performance.now() - sentAt - answerWithinMs;
    setTimeout(
      () => command.isSettled || reject(error),
      lateMs > secondChanceMs ? answerWithinMs : secondChanceMs,
    );
  };
}

/** Whether Redis is there and does not let us in (redis.io/docs/latest/operate/oss_and_stack/management/security/acl). */
export function refusesPassword(error: Error | undefined): boolean {
  return error !== undefined && /^(NOAUTH|WRONGPASS)/.test(error.message);
}

export type RedisConnection = Redis & AsyncDisposable;

/**
 * Connects and waits until Redis answers.
 * @throws Error when Redis does not answer within `timeoutMs`; its message says what to check, without the password.
 */
export async function connectRedis(
  url: string,
  whenAway: WhenAway,
  { timeoutMs = 10_000 }: { timeoutMs?: number } = {},
): Promise<RedisConnection> {
  const redis = new FewWrites(url, { ...redisOptions(whenAway), lazyConnect: true });
  let lastError: Error | undefined;
  // Without a listener ioredis prints every lost connection; the state is visible in `status` and in failing commands.
  redis.on('error', (error) => {
    lastError = error;
  });
  redis.connect().catch(() => {});
  const ready = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(resolve, timeoutMs, false);
    redis.once('ready', () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
  if (!ready) {
    redis.disconnect();
    const { host } = new URL(url);
    const why = refusesPassword(lastError) ? 'refuses the password' : 'does not answer';
    throw new Error(
      `Redis at ${host} ${why} (${lastError?.message ?? 'no answer'}). Is it running, and is REDIS_URL right?`,
    );
  }
  return Object.assign(redis, { [Symbol.asyncDispose]: async () => redis.disconnect() });
}
