import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';

/** The server of this machine, by the PORT of the environment or of the `.env` file that the server reads too. */
export function usualServer(
  environment: Readonly<Record<string, string | undefined>>,
  envFile = '.env',
): string {
  const port = environment.PORT ?? portIn(envFile) ?? '';
  return `http://localhost:${/^[1-9]\d{0,4}$/.test(port) ? port : '5000'}`;
}

function portIn(envFile: string): string | undefined {
  try {
    return parseEnv(readFileSync(envFile, 'utf8')).PORT;
  } catch {
    return undefined;
  }
}
