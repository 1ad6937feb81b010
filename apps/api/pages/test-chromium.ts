import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);

/** Whether this machine has a Chromium; tests that need one skip themselves where it does not. */
export const hasChromium = executablePath !== undefined;

/** A browser without a window, that calls nobody. */
export function startChromium(): Promise<Browser> {
  if (executablePath === undefined) throw new Error('Chromium is not installed');
  const quiet = '--disable-gpu --disable-quic --no-first-run --disable-background-networking';
  const args = `--no-sandbox ${quiet} --disable-component-update --disable-sync`.split(' ');
  return chromium.launch({ executablePath, args });
}
