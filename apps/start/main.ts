import { parseArgs } from 'node:util';
import { ConfigError, loadConfig } from '#libs/config/config.ts';
import { withEnvFile } from '#libs/config/env-file.ts';
import { NoRedisError } from './find-redis.ts';
import { createLineWriter } from './log-lines.ts';
import { greeting, usage } from './messages.ts';
import { startAll } from './start.ts';
import { StartError } from './start-error.ts';

const terminal = process.stdout.isTTY === true;
const colours = terminal && !process.env.NO_COLOR;
const print = createLineWriter({ terminal, colours, write: (text) => process.stdout.write(text) });
// Whoever read the log may have gone (`npm start | head`); that is no reason to stop posting.
process.stdout.on('error', () => {});

const stop = new AbortController();
let stopSince = 0;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    // One Ctrl-C comes twice, from the terminal and from npm. A later one is impatience: all ends with this process.
    if (stop.signal.aborted) return performance.now() - stopSince > 1000 ? process.exit(130) : undefined;
    stopSince = performance.now();
    print(
      'start',
      'Stopping: what is in the middle of being posted is finished first (again to stop at once).',
    );
    stop.abort();
  });

try {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } });
  if (values.help) process.stdout.write(usage);
  else {
    const environment = withEnvFile(process.env);
    const config = loadConfig(environment, 'start');
    for (const notice of config.notices) print('start', notice);
    print('start', 'Starting …');
    const startedAt = performance.now();
    await using running = await startAll({ config, environment, print, signal: stop.signal });
    if (!stop.signal.aborted) {
      process.stdout.write(greeting(running, { ...config, durationMs: performance.now() - startedAt }));
      await new Promise((resolve) => stop.signal.addEventListener('abort', resolve));
    }
  }
  if (stop.signal.aborted) print('start', 'Stopped. Everything that was accepted is kept.');
  process.exitCode = 0;
} catch (error) {
  process.exitCode = 1;
  if (error instanceof ConfigError) console.error(error.problems.join('\n'));
  else if (error instanceof StartError || error instanceof NoRedisError) console.error(error.message);
  else console.error(error);
}
