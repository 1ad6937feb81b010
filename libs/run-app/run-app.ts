import { type Config, ConfigError, loadConfig, secretVariables } from '#libs/config/config.ts';
import { withEnvFile } from '#libs/config/env-file.ts';
import { createLog, type Log } from '#libs/log/log.ts';

interface App {
  readonly role: 'api' | 'worker';
  readonly help: string;
  /** The environment of the process: the secrets are taken out of it once they are read. */
  readonly environment: Record<string, string | undefined>;
  readonly argv: readonly string[];
  start(config: Config, log: Log): Promise<AsyncDisposable>;
}

/** The longest that stopping may take: what is being sent to X is awaited for 35 s. */
const graceMs = 50_000;

/** Runs one process from its environment until SIGTERM or SIGINT: what is in the middle is finished first. */
export async function runApp({ role, help, environment, argv, start }: App): Promise<void> {
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(help);
    return;
  }
  const config = readConfig(environment, role);
  if (!config) return;
  const log = createLog(role, config.logLevel);
  for (const notice of config.notices) log.warn({}, notice);
  const stop = Promise.withResolvers<string>();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.resolve(signal));
  let running: AsyncDisposable;
  try {
    running = await start(config, log);
  } catch (error) {
    log.error({ err: error }, error instanceof Error ? error.message : 'The process could not start');
    process.exitCode = 1;
    // Connections that are half open would keep the process alive.
    setTimeout(() => process.exit(), 100).unref();
    return;
  }
  const signal = await stop.promise;
  log.info({ signal }, 'Stopping: what is in the middle of being done is finished first');
  setTimeout(() => process.exit(1), graceMs).unref();
  await running[Symbol.asyncDispose]();
  log.info({}, 'Stopped');
  process.exit(0);
}

function readConfig(environment: Record<string, string | undefined>, role: App['role']): Config | null {
  try {
    const config = loadConfig(withEnvFile(environment), role);
    // Children and crash dumps see the environment: nothing secret stays there.
    for (const name of secretVariables) delete environment[name];
    return config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.problems.join('\n')}\n`);
    process.exitCode = 1;
    return null;
  }
}
