import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createProgress } from '#apps/rotate-keys/progress.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { openSpool } from '#libs/spool/spool.ts';
import { openAccounts } from './open-accounts.ts';
import { runCommand } from './run-command.ts';
import { type Session, type System, startProcess, startSystem } from './system.ts';

const newKey = () => randomBytes(32).toString('base64');

let system: System;
let vault: Awaited<ReturnType<typeof openAccounts>>;
let sessions: Session[];
/** Both keys, the new one first. */
let rotated: Record<string, string>;
beforeAll(async () => {
  system = await startSystem({ workers: 0 });
  vault = await openAccounts(system);
  sessions = await Promise.all(['sandbox_ada', 'sandbox_ben'].map((user) => system.connect(user)));
  rotated = { ...system.environment, TOKEN_KEYS: `k2:${newKey()},${system.environment.TOKEN_KEYS}` };
});
afterAll(async () => {
  await vault[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

it('refuses while a process runs that seals with the old key, and changes nothing', async () => {
  const { code, stderr } = await runCommand('rotate-keys', [], rotated);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^Running processes seal with k1.*Start them again/);
  expect(await vault.accounts.tokens.kidOf(sessions[0]?.account.id ?? '')).toBe('k1');
});

it('seals tokens, orders and the spool anew while posts go on, and names the key that is not needed any more', async () => {
  const [ada, ben] = sessions;
  if (!ada || !ben) throw new Error('two accounts are needed');
  const asked = await Promise.all(
    Array.from({ length: 12 }, (_, index) =>
      [ada, ben][index % 2]?.request('POST', '/postTweet', { text: `Under way ${index}` }),
    ),
  );
  const spoolDir = join(system.dataDir, 'spool');
  const oldSealer = createSealer(system.config.secrets.tokenKeys);
  await using oldSpool = await openSpool(spoolDir, oldSealer);
  await oldSpool.append('for-later', { kept: true });

  await using _api = await restartApi(rotated);
  await using _worker = await startProcess('quick-worker', rotated);
  const { code, stdout, stderr } = await runCommand('rotate-keys', [], rotated);
  expect(stderr).toMatch(/100% 14 of 14\n$/);
  expect(stdout).toMatch(/^14 sealed anew with k2\.\nNo longer used: k1\./);
  expect(code).toBe(0);

  for (const { account } of sessions) expect(await vault.accounts.tokens.kidOf(account.id)).toBe('k2');
  for (const answer of asked)
    expect((await vault.redis.hget(`job:${answer?.body.job_id}`, 'order'))?.split('.')[1]).toBe('k2');
  const [file = ''] = await readdir(spoolDir);
  expect((await readFile(join(spoolDir, file), 'utf8')).split('.')[1]).toBe('k2');
  const newOnly = createSealer([
    { kid: 'k2', key: Buffer.from(rotated.TOKEN_KEYS?.slice(3, 47) ?? '', 'base64') },
  ]);
  await using spool = await openSpool(spoolDir, newOnly);
  expect(await spool.entries('for-later')).toMatchObject([{ entry: { kept: true } }]);

  for (const [index, answer] of asked.entries()) {
    const job = await (index % 2 === 0 ? ada : ben).ended(answer?.body.job_id ?? '');
    expect(job).toMatchObject({ status: 'published', tweet_text: `Under way ${index}` });
  }

  const again = await runCommand('rotate-keys', [], rotated);
  expect(again.stdout).toMatch(/^0 sealed anew with k2\.\nNo longer used: k1\./);
});

it('says what no key opens, and leaves it', async () => {
  const other = {
    ...system.environment,
    TOKEN_KEYS: `k3:${newKey()}`,
    DATA_DIR: join(system.dataDir, 'other'),
  };
  await vault.redis.del('none', ...(await vault.redis.keys('sealing-keys:*')));
  const { code, stdout } = await runCommand('rotate-keys', [], other);
  expect(code).toBe(1);
  expect(stdout).toMatch(/^0 sealed anew with k3\.\n14 sealed with k2 cannot be opened: bring that key back/);
  expect(await vault.accounts.tokens.kidOf(sessions[0]?.account.id ?? '')).toBe('k2');
});

it('finds the keys and the Redis of npm start in its data folder', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'rotate-keys-'));
  try {
    await writeFile(join(dataDir, 'keys.env'), `SECRET_KEY=x\nTOKEN_KEYS=${rotated.TOKEN_KEYS}\n`);
    const without = await runCommand('rotate-keys', [], { DATA_DIR: dataDir });
    expect(without.stderr).toMatch(/^REDIS_URL: is not set/);
    await mkdir(join(dataDir, 'redis'));
    const { port, pid } = system.redis;
    await writeFile(join(dataDir, 'redis/server.json'), JSON.stringify({ port, pid, password: '' }));
    const { stdout } = await runCommand('rotate-keys', [], { DATA_DIR: dataDir });
    expect(stdout).toMatch(/^0 sealed anew with k2\./);
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
});

it('shows a bar on a terminal, and a line per tenth elsewhere', () => {
  const written: string[] = [];
  const progress = createProgress({ isTTY: true, write: (text) => written.push(text) });
  for (let done = 0; done <= 4; done++) progress(done, 4);
  expect(written.at(-1)).toBe(`\r${'█'.repeat(25)} 100% 4 of 4\n`);
  const lines: string[] = [];
  const plain = createProgress({ write: (text) => lines.push(text) });
  for (let done = 0; done <= 1000; done++) plain(done, 1000);
  expect(lines).toHaveLength(11);
});

it('explains itself', async () => {
  expect((await runCommand('rotate-keys', ['--help'], {})).stdout).toMatch(
    /Add a new key behind the old one in TOKEN_KEYS.*Put the new key in front/s,
  );
});

/** The API in a process of its own, on these settings and where it was before; the one with the old key is stopped. */
async function restartApi(environment: Record<string, string>) {
  await system.api[Symbol.asyncDispose]();
  return await startProcess('api', { ...environment, PORT: new URL(system.url).port });
}
