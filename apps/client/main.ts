import { spawn } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { openCredentials } from './credentials.ts';
import { runClient } from './run.ts';
import { usualServer } from './usual-server.ts';

const openers: Partial<Record<NodeJS.Platform, readonly [string, ...string[]]>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
};

// Whoever reads may have seen enough (`npm run x -- list | head`).
process.stdout.on('error', () => {});

process.exitCode = await runClient({
  argv: process.argv.slice(2),
  credentials: openCredentials(process.env.XDG_CONFIG_HOME || join(homedir(), '.config')),
  usualServer: usualServer(process.env),
  screen: { write: (text) => process.stdout.write(text), redraws: process.stdout.isTTY === true },
  openUrl(url) {
    const [command, ...before] = openers[process.platform] ?? ['xdg-open'];
    // Where there is no browser the address has been printed.
    spawn(command, [...before, url], { stdio: 'ignore', detached: true })
      .on('error', () => {})
      .unref();
  },
});
