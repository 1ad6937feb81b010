import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';

/**
 * The variables of a process with those of the `.env` file in its working directory beneath them: what the
 * process was given wins, an empty value too. No such file is no error.
 */
export function withEnvFile(
  environment: Readonly<Record<string, string | undefined>>,
  file = '.env',
): Record<string, string | undefined> {
  return { ...readEnvFile(file), ...environment };
}

function readEnvFile(file: string): Record<string, string | undefined> {
  try {
    return parseEnv(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw new Error(`The file ${file} cannot be read.`, { cause: error });
  }
}
