import { parseArgs } from 'node:util';
import { ConfigError } from '#libs/config/config.ts';
import { withEnvFile } from '#libs/config/env-file.ts';
import { findDeployment } from '#libs/deployment/find-deployment.ts';
import { createProgress } from './progress.ts';
import { OtherKeysError, type Rotation, rotateKeys } from './rotate-keys.ts';

const help = `npm run rotate-keys: seals everything that is stored with the first of TOKEN_KEYS

  1. Add a new key behind the old one in TOKEN_KEYS, k1:…,k2:…, and start the server and every worker again.
     (Where they all start at once, as with \`npm start\`: go on with 2; without TOKEN_KEYS: in DATA_DIR/keys.env)
  2. Put the new key in front, k2:…,k1:…, and start all of them again.
  3. npm run rotate-keys, with the same settings. Posts go on meanwhile; stop it and run it again as you like.
  4. Take away the old keys that it calls unused, and start again.

  REDIS_URL, TOKEN_KEYS   as the server has them; without them what \`npm start\` keeps in DATA_DIR, while it runs
  DATA_DIR                results that Redis could not take yet are sealed too: run it on each machine that has workers
`;

try {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } });
  if (values.help) process.stdout.write(help);
  else {
    const deployment = await findDeployment(withEnvFile(process.env));
    const rotation = await rotateKeys(deployment, createProgress(process.stderr));
    process.stdout.write(`${tell(rotation).join('\n')}\n`);
    if (rotation.unopened.size > 0) process.exitCode = 1;
  }
} catch (error) {
  process.exitCode = 1;
  if (error instanceof ConfigError) process.stderr.write(`${error.problems.join('\n')}\n`);
  else if (error instanceof OtherKeysError)
    process.stderr.write(
      `Running processes seal with ${error.kids.join(', ')}, which is not the first of TOKEN_KEYS here, and might not open what another key seals. Start them again with the TOKEN_KEYS of this command, then repeat it. (One that was killed counts for another minute.)\n`,
    );
  else process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
}

function tell({ currentKid, resealed, unused, unopened }: Rotation): string[] {
  const lines = [`${resealed} sealed anew with ${currentKid}.`];
  for (const [kid, count] of unopened)
    lines.push(
      `${count} sealed with ${kid} cannot be opened: bring that key back into TOKEN_KEYS, or connect those accounts again.`,
    );
  if (unused.length > 0)
    lines.push(
      `No longer used: ${unused.join(', ')}. Take ${unused.length === 1 ? 'it' : 'them'} out of TOKEN_KEYS when no backup needs ${unused.length === 1 ? 'it' : 'them'}, and start the server again.`,
    );
  return lines;
}
