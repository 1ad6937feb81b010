import { parseArgs } from 'node:util';
import { startSimulator } from './simulator.ts';

const help = `npm run simulator: a simulated X on this machine, for anybody who tests X clients

Its API, its authorize page, a timeline to look at, and a control with which a test makes it fail as X does.

  PORT=5001          where it listens (0: any free port)
  HOST=127.0.0.1     the address that it listens at
  STATE_DIR=folder   keeps there what X would keep: grants, uploads and posts; one simulator at a time.
                     Without it all of that is gone when it stops
`;

async function run(): Promise<void> {
  const { PORT = '5001', HOST = '127.0.0.1', STATE_DIR } = process.env;
  const keepIn = STATE_DIR ? { keepIn: STATE_DIR } : {};
  const simulator = await startSimulator({ port: Number(PORT), host: HOST, ...keepIn }).catch(
    (error: Error) => {
      const isTaken = 'code' in error && error.code === 'EADDRINUSE';
      process.stderr.write(
        isTaken
          ? `The X simulator cannot listen on ${HOST}:${PORT}: it is taken.\n`
          : `The X simulator cannot start on ${HOST}:${PORT}: ${error.message}\n`,
      );
      process.exit(1);
    },
  );
  process.stdout.write(
    `X simulator: ${simulator.url}\n` +
      `  timeline   ${simulator.url}/\n` +
      `  API        ${simulator.url}/2/…\n` +
      `  authorize  ${simulator.url}/i/oauth2/authorize (any client id, any secret)\n` +
      `  control    ${simulator.url}/_simulator\n`,
  );
  // A parent that started it on any free port learns which one it is.
  process.send?.({ type: 'listening', url: simulator.url });
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void simulator[Symbol.asyncDispose]());
}

try {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } });
  if (values.help) process.stdout.write(help);
  else await run();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
