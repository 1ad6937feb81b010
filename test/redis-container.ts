import type { Readable } from 'node:stream';
import { setTimeout as pass } from 'node:timers/promises';
import { GenericContainer, getContainerRuntimeClient, Wait } from 'testcontainers';
import { durableSettings, freePort, type RedisProcess } from '#apps/start/redis-process.ts';

interface ContainerOptions {
  /** As `redis:8` or `valkey/valkey:8`. */
  readonly image: string;
  readonly dir: string;
  readonly port?: number;
  readonly args?: readonly string[];
}

/**
 * The same as `startRedisProcess`, from an image: on the same folder, the same loopback port and as the same user, so that
 * tests cannot tell. Signals go through the engine and arrive a moment later, in order. Wants an engine on this machine.
 * @throws Error with the last thing that the server said.
 */
export async function startRedisContainer(options: ContainerOptions): Promise<RedisProcess> {
  if (options.port !== undefined) return await startOn(options.port, options);
  for (let left = 4; ; left -= 1)
    try {
      return await startOn(await freePort(), options);
    } catch (error) {
      // A container takes a moment to listen: another test may have found the same port free meanwhile.
      if (left === 0 || !/address already in use/i.test(String(error))) throw error;
    }
}

async function startOn(
  port: number,
  { image, dir, args = [] }: Omit<ContainerOptions, 'port'>,
): Promise<RedisProcess> {
  const said: string[] = [];
  const started = await new GenericContainer(image)
    .withEntrypoint(['redis-server'])
    .withUser(`${process.getuid?.() ?? 999}:${process.getgid?.() ?? 999}`)
    .withNetworkMode('host')
    .withBindMounts([{ source: dir, target: '/data' }])
    .withCommand([
      '--bind',
      '127.0.0.1',
      '--port',
      String(port),
      '--dir',
      '/data',
      ...durableSettings,
      ...args,
    ])
    .withLogConsumer((log: Readable) => void log.on('data', (line) => said.push(String(line).trim())))
    .withWaitStrategy(Wait.forLogMessage('Ready to accept connections'))
    .withAutoRemove(false)
    .start()
    .catch(async (error: Error) => {
      // The log may still be on its way.
      await pass(200);
      throw new Error(said.slice(-3).join('\n') || `${image}: ${error.message}`);
    });
  const container = (await getContainerRuntimeClient()).container.getById(started.getId());
  const { State: state } = await container.inspect();
  const ended = container.wait({ condition: 'not-running' }).then(() => {});
  let signalled: Promise<unknown> = Promise.resolve();
  const kill = (signal: NodeJS.Signals) => {
    // One that has ended takes no signal, as a process does not.
    signalled = signalled.then(() => container.kill({ signal })).catch(() => {});
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    pid: state.Pid,
    port,
    dir,
    ended,
    kill,
    async [Symbol.asyncDispose]() {
      kill('SIGCONT');
      kill('SIGTERM');
      const impatient = setTimeout(kill, 10_000, 'SIGKILL');
      await ended;
      clearTimeout(impatient);
      await container.remove({ force: true, v: true });
    },
  };
}
