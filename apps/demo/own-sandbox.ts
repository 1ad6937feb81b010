import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAll } from '#apps/start/start.ts';
import { loadConfig, secretVariables } from '#libs/config/config.ts';

/** A sandbox for the demo alone, on free ports; its files go with it. */
export async function startOwnSandbox(environment: Readonly<Record<string, string | undefined>>) {
  const dataDir = await mkdtemp(join(tmpdir(), 'post-to-x-demo-'));
  const names = [
    ...secretVariables,
    'CLIENT_ID',
    'X_API_URL',
    'X_AUTHORIZE_URL',
    'REDIRECT_URI',
    'PUBLIC_URL',
  ];
  const ours = {
    ...environment,
    ...Object.fromEntries(names.map((name) => [name, ''])),
    HOST: '127.0.0.1',
    PORT: '0',
    DATA_DIR: dataDir,
  };
  const log: string[] = [];
  const config = loadConfig(ours, 'start');
  try {
    const running = await startAll({
      config,
      environment: ours,
      print: (name, line) => void log.push(`${name} | ${line}`),
    });
    return {
      url: running.apiUrl,
      [Symbol.asyncDispose]: async () => {
        await running[Symbol.asyncDispose]();
        await rm(dataDir, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(dataDir, { recursive: true, force: true });
    throw new Error(`The sandbox did not start.\n${log.slice(-20).join('\n')}`, { cause: error });
  }
}
