import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const packages = join(import.meta.dirname, '../node_modules/@modelcontextprotocol');

/** The official tools, as their packages install them. */
const programs = {
  inspector: join(packages, 'inspector/clients/launcher/build/index.js'),
  conformance: join(packages, 'conformance/dist/index.js'),
} as const;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs an official tool to its end, in a home of its own that is gone afterwards. */
export async function runTool(
  tool: keyof typeof programs,
  args: readonly string[],
  onOutput: (text: string) => void = () => {},
): Promise<Ended> {
  const home = await mkdtemp(join(tmpdir(), 'post-to-x-tool-'));
  try {
    const child = spawn(process.execPath, [programs[tool], ...args], {
      cwd: home,
      env: { PATH: process.env.PATH ?? '', HOME: home, NO_COLOR: '1', CI: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const printed = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const)
      child[stream].setEncoding('utf8').on('data', (text: string) => {
        printed[stream] += text;
        onOutput(text);
      });
    const [code] = await once(child, 'close');
    return { code, ...printed };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** Stands before a server and adds a token where there is none, for tools that know no sign-in. */
export async function startTokenProxy(target: string, token: string) {
  const { hostname, port } = new URL(target);
  const forward = (incoming: IncomingMessage, answer: ServerResponse) => {
    const headers = { authorization: `Bearer ${token}`, ...incoming.headers };
    const { method, url: path } = incoming;
    const outgoing = request({ hostname, port, method, path, headers }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    outgoing.on('error', () => answer.destroy());
    answer.on('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
  };
  const server = createServer(forward);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The proxy has no port');
  return {
    url: `http://localhost:${address.port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** A port that was free a moment ago, for tools that cannot choose one themselves. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise((done) => server.close(done));
  if (address === null || typeof address === 'string') throw new Error('There is no free port');
  return address.port;
}
