import { parseArgs } from 'node:util';
import { ImportError } from '#libs/accounts/import-account.ts';
import { ConfigError } from '#libs/config/config.ts';
import { withEnvFile } from '#libs/config/env-file.ts';
import { findDeployment } from '#libs/deployment/find-deployment.ts';
import { explain, importToken } from './import-token.ts';
import { readTokenFile, TokenFileError } from './token-file.ts';

const help = `npm run import-token -- token.json: takes over an account that another program connected

Renews the tokens in the file at X, asks X whose they are and seals them into this server's vault. After that the file
is worthless (X's refresh tokens work once), and so is the program that it belonged to. The file itself is not touched.

  CLIENT_ID, CLIENT_SECRET   those of the X app that the file was made with
  REDIS_URL, TOKEN_KEYS      as the server has them; without them what \`npm start\` keeps in DATA_DIR, while it runs
  ALLOWED_X_USERS            is honoured
`;

try {
  const { values, positionals } = parseArgs({
    options: { help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
  });
  const [file, ...more] = positionals;
  if (values.help) process.stdout.write(help);
  else if (file === undefined || more.length > 0) fail('Name one file: npm run import-token -- token.json');
  else await run(file);
} catch (error) {
  if (error instanceof TokenFileError || isUsageError(error)) fail(error.message);
  else if (error instanceof ConfigError) fail(error.problems.join('\n'));
  // Whatever else goes wrong is about connections; its stack helps nobody here.
  else fail(error instanceof Error ? error.message : String(error));
}

async function run(file: string): Promise<void> {
  const tokens = await readTokenFile(file);
  const deployment = await findDeployment(withEnvFile(process.env));
  try {
    const { username, name } = await importToken(deployment, tokens);
    process.stdout.write(
      `@${username} (${name}) is connected: its tokens are sealed in the vault.\n${file} is worthless now; delete it, and stop the program that it belonged to.\n`,
    );
  } catch (error) {
    if (!(error instanceof ImportError)) throw error;
    fail(explain(error, deployment.x.sandbox));
  }
}

function fail(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}

function isUsageError(error: unknown): error is Error {
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
}
