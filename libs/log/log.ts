import { type DestinationStream, pino } from 'pino';

/** The only fields that a log line may carry: everything else is dropped, so that no token or text slips in. */
const allowedFields = new Set([
  'accountId', 'address', 'attempt', 'attemptId', 'bytes', 'clientId', 'code', 'count', 'durationMs', 'endpoint', 'err',
  'index', 'jobId', 'method', 'path', 'problems', 'queue', 'reason', 'redirectUri', 'requestId', 'retryAt', 'role',
  'signal', 'stage', 'state', 'status', 'transactionId', 'url', 'verdict',
]); // biome-ignore format: one list

type Fields = Record<string, unknown>;

const pretty = { ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss', singleLine: true };

/** What the apps log with; libraries never log. */
export interface Log {
  debug(fields: Fields, message: string): void;
  info(fields: Fields, message: string): void;
  warn(fields: Fields, message: string): void;
  error(fields: Fields, message: string): void;
}

/** JSON lines on stdout, readable ones on a terminal; `name` tells the processes of one machine apart. */
export function createLog(name: string, level: string): Log {
  const options = {
    name,
    level,
    base: { name },
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: Fields) => {
        const allowed: Fields = {};
        for (const [field, value] of Object.entries(fields))
          if (allowedFields.has(field) && value !== undefined)
            allowed[field] = field === 'err' ? describeError(value) : value;
        return allowed;
      },
    },
    // Errors are described above; pino's own way would call each of them Object.
    serializers: { err: (described: unknown) => described },
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  if (process.stdout.isTTY)
    return pino({ ...options, transport: { target: 'pino-pretty', options: pretty } });
  stdout ??= openStdout();
  return pino(options, stdout);
}

let stdout: DestinationStream | undefined;

/** The time between two writes: under load many lines share one. A line after a pause is written at once. */
const writeEveryMs = 20;
const mostWaiting = 16_000;
/** More than this, which whoever reads the log has not taken yet, is not kept. */
const mostUnreadBytes = 16 * 1024 * 1024;

/** Lines leave in few writes, and those before an end of the process before that. */
function openStdout(): DestinationStream {
  const { stdout: out } = process;
  let lines = '';
  let isDue = false;
  let nextAt = 0;
  // Whoever reads the log may end, or stop reading: that is no reason to stop posting.
  out.on('error', () => {});
  const flush = () => {
    isDue = false;
    nextAt = performance.now() + writeEveryMs;
    if (out.writable && out.writableLength < mostUnreadBytes) out.write(lines);
    lines = '';
  };
  process.on('exit', flush);
  return {
    write(line) {
      lines += line;
      if (lines.length > mostWaiting) flush();
      if (isDue || lines === '') return;
      isDue = true;
      const waitMs = nextAt - performance.now();
      if (waitMs > 0) setTimeout(flush, waitMs);
      else setImmediate(flush);
    },
  };
}

/** Name, message and stack of an error and of its causes; URLs lose their query, which may hold a secret. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { message: withoutQueries(String(error)) };
  return {
    type: error.name,
    message: withoutQueries(error.message),
    stack: withoutQueries(error.stack ?? ''),
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}

function withoutQueries(text: string): string {
  return text.replace(/(\b[a-z]+:\/\/[^\s?#]*)[?#][^\s)'"]*/gi, '$1').replace(/\/\/[^/\s@]*@/g, '//');
}
