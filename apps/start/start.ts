import { mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { type Config, simulatorPort } from '#libs/config/config.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { nodeFlags } from '#libs/run-app/node-flags.ts';
import { type Child, startChild } from './child.ts';
import { lockDataDir } from './data-dir-lock.ts';
import { startEmbeddedRedis } from './embedded-redis.ts';
import { loadGeneratedKeys } from './generated-keys.ts';
import { checkPort, choosePort, isPortFree, rememberPort } from './port.ts';
import { waitUntilReady } from './ready.ts';
import { StartError } from './start-error.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/** Starts one of our processes; `variables` go over the environment. */
type Run = (
  name: string,
  folder: string,
  variables: (url: string | undefined) => Variables,
  listens?: boolean,
) => Child;

interface StartOptions {
  readonly config: Config;
  /** The variables that `config` was read from: handed on to the processes. */
  readonly environment: Variables;
  /** A line of the process `name`, for the log. */
  readonly print: (name: string, line: string) => void;
  /** Fires when starting is no longer wanted. */
  readonly signal?: AbortSignal;
}

/** Everything that `npm start` runs; disposing stops it all in reverse order. */
export interface Running extends AsyncDisposable {
  /** Where a browser opens the API. */
  readonly apiUrl: string;
  /** The simulated X, or null where posts go to the real one. */
  readonly simulatorUrl: string | null;
}

const root = join(import.meta.dirname, '../..');
/** Of Node.js, by the folder of the app; most have none. */
const flags: Readonly<Partial<Record<string, readonly string[]>>> = nodeFlags;

/**
 * Redis, simulator, API and worker, each its own process; resolves when the API accepts posts.
 * @throws StartError | NoRedisError: nothing is left running then.
 */
export async function startAll({ config, environment, print, signal }: StartOptions): Promise<Running> {
  const say = (line: string) => print('start', line);
  await using stack = new AsyncDisposableStack();
  const dataDir = await openDataDir(config.dataDir);
  stack.use(await lockDataDir(dataDir));
  await checkPort(config.http.host, config.http.port);
  const secrets = await secretsFor(config, environment, dataDir);
  const run: Run = (name, folder, variables, listens = true) =>
    stack.use(
      startChild({
        name,
        script: join(root, 'apps', folder, 'main.ts'),
        flags: flags[folder] ?? [],
        environment: (url) => ({ ...environment, ...named, DATA_DIR: dataDir, ...variables(url) }),
        listens,
        print: (line) => print(name, line),
        say,
      }),
    );
  // All take their time: side by side they take less.
  const simulator = needsSimulator(config) ? await startSimulator(run, config.http.host, dataDir) : null;
  const redisUrl = await openRedis(config, dataDir, stack, say);
  const simulatorUrl = simulator && (await simulator.url());
  const x = simulatorUrl === null ? {} : sandboxVariables(simulatorUrl, config);
  const common = { ...secrets, REDIS_URL: redisUrl, ...x };
  const firstPort = await choosePort(config.http.port, dataDir);
  const api = run('api', 'api', (url) => ({ ...common, PORT: url ? portOf(url) : String(firstPort) }));
  await simulator?.listening;
  run('worker', 'worker', () => common, false);
  const port = portOf(await api.listening);
  await rememberPort(Number(port), dataDir);
  await waitUntilReady({ url: `http://${localName(config.http.host)}:${port}`, say, signal });
  const running = stack.move();
  return {
    apiUrl: config.http.publicUrl ?? `http://localhost:${port}`,
    simulatorUrl,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function openDataDir(dataDir: string): Promise<string> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    return await realpath(dataDir);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StartError(`The data folder cannot be made (${reason}): set DATA_DIR to one that can.`, {
      cause,
    });
  }
}

/** What has no effect was named here, once: the processes need not say it again. */
const named = { ACCESS_TOKEN: '', ACCESS_TOKEN_SECRET: '' };

/** What the environment does not say is made once and kept. */
async function secretsFor(config: Config, environment: Variables, dataDir: string): Promise<Variables> {
  const given = {
    SECRET_KEY: config.secrets.secretKey,
    TOKEN_KEYS: config.secrets.tokenKeys.length > 0 ? environment.TOKEN_KEYS : undefined,
  };
  if (given.SECRET_KEY !== undefined && given.TOKEN_KEYS !== undefined) return given;
  const generated = await loadGeneratedKeys(dataDir);
  return {
    SECRET_KEY: given.SECRET_KEY ?? generated.SECRET_KEY,
    TOKEN_KEYS: given.TOKEN_KEYS ?? generated.TOKEN_KEYS,
  };
}

/** The Redis that is named, when it can be reached, or one of our own. */
async function openRedis(
  config: Config,
  dataDir: string,
  stack: AsyncDisposableStack,
  say: (line: string) => void,
): Promise<string> {
  if (config.redisUrl !== undefined) {
    await using _reachable = await connectRedis(config.redisUrl, 'fail-fast').catch((cause: Error) => {
      throw new StartError(cause.message, { cause });
    });
    return config.redisUrl;
  }
  const cacheDir = join(root, 'node_modules/.cache');
  return stack.use(await startEmbeddedRedis({ dataDir, cacheDir, say })).url;
}

/** Without an X app there is a simulated X, unless one is named that runs already. */
function needsSimulator(config: Config): boolean {
  return config.x.sandbox && config.x.apiUrl === `http://127.0.0.1:${simulatorPort}`;
}

/**
 * It listens where the API does, so that in a container its pages can be opened from outside. What X would keep it
 * keeps beside our own data: without, no account would be connected any more at the next start.
 */
async function startSimulator(run: Run, host: string, dataDir: string) {
  const isUsual = await isPortFree(simulatorPort);
  const firstPort = isUsual ? simulatorPort : 0;
  // It has no use for our secrets.
  const withheld = { REDIS_URL: undefined, SECRET_KEY: undefined, TOKEN_KEYS: undefined };
  const { listening } = run('simulator', 'x-simulator', (url) => ({
    ...withheld,
    STATE_DIR: join(dataDir, 'x-simulator'),
    HOST: isEverywhere(host) ? host : '127.0.0.1',
    PORT: url === undefined ? String(firstPort) : new URL(url).port,
  }));
  // The usual one is known before it listens there: others need not wait for that.
  const url = async () => (isUsual ? `http://127.0.0.1:${simulatorPort}` : new URL(await listening).origin);
  return { url, listening };
}

/** The simulator serves sample pictures too, which the media rules would otherwise refuse as a private address. */
function sandboxVariables(simulatorUrl: string, config: Config): Variables {
  const { port } = new URL(simulatorUrl);
  const trusted = [...config.mediaTrustedHosts, `127.0.0.1:${port}`, `localhost:${port}`];
  const browsersUrl = isEverywhere(config.http.host) ? `http://localhost:${port}` : simulatorUrl;
  return {
    X_API_URL: simulatorUrl,
    X_AUTHORIZE_URL: `${browsersUrl}/i/oauth2/authorize`,
    MEDIA_TRUSTED_HOSTS: trusted.join(','),
  };
}

function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** A URL leaves the usual port out. */
function portOf(url: string): string {
  return new URL(url).port || '80';
}

/** Where a server that listens on `host` is reached from here. */
function localName(host: string): string {
  if (isEverywhere(host)) return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
