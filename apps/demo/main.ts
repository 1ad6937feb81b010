import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { withEnvFile } from '#libs/config/env-file.ts';
import { localUrl } from '#libs/config/local-url.ts';
import { startOwnSandbox } from './own-sandbox.ts';
import { runTour } from './tour.ts';

const usage = `npm run demo: a tour of post-to-x against a sandbox, by its public HTTP API

Signs in, posts a text, a picture and four pictures, and shows how they get on. Uses the sandbox that runs at
http://localhost:PORT (npm start; 5000 if PORT is not set), or starts one for itself.

  npm run demo -- --url http://localhost:8080    the sandbox that runs there
`;

const usual = localUrl(withEnvFile(process.env));

/** Whether a server of ours accepts posts there. */
async function isReady(url: string): Promise<boolean> {
  try {
    const answer = await fetch(new URL('/readyz', url), { signal: AbortSignal.timeout(2000) });
    return JSON.parse(await answer.text()).status === 'ready';
  } catch {
    return false;
  }
}

try {
  const { values } = parseArgs({
    options: { help: { type: 'boolean', short: 'h' }, url: { type: 'string' } },
  });
  const given = values.url?.replace(/\/+$/, '');
  if (values.help) process.stdout.write(usage);
  else if (given !== undefined && !(await isReady(given)))
    throw new Error(`No server that accepts posts answers at ${given}: is it started (npm start)?`);
  else if (given !== undefined || (await isReady(usual)))
    process.exitCode = (await runTour({ url: given ?? usual, output: process.stdout })) ? 0 : 1;
  else {
    console.log(`Nothing runs at ${usual}: starting a sandbox for this tour …`);
    const interrupted = once(process, 'SIGINT').then(() => false);
    await using sandbox = await startOwnSandbox(process.env);
    const good = await Promise.race([runTour({ url: sandbox.url, output: process.stdout }), interrupted]);
    process.exitCode = good ? 0 : 1;
    if (good && process.stdout.isTTY) {
      console.log('\nThe sandbox stays for you to look around. Ctrl-C ends it.');
      await interrupted;
    }
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
