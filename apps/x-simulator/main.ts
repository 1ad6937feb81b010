import { startSimulator } from './simulator.ts';

const { PORT = '5001', HOST = '127.0.0.1' } = process.env;
const simulator = await startSimulator({ port: Number(PORT), host: HOST }).catch((error: Error) => {
  const reason = 'code' in error && error.code === 'EADDRINUSE' ? 'it is taken.' : error.message;
  process.stderr.write(`The X simulator cannot listen on ${HOST}:${PORT}: ${reason}\n`);
  process.exit(1);
});
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
