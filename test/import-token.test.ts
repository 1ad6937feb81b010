import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { actThenDrop, answer } from '#apps/x-simulator/fault.ts';
import { openAccounts } from './open-accounts.ts';
import { runCommand } from './run-command.ts';
import { type System, startSystem } from './system.ts';

const tokenEndpoint = 'POST /2/oauth2/token';
const me = 'GET /2/users/me';

let system: System;
let vault: Awaited<ReturnType<typeof openAccounts>>;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'import-token-'));
  system = await startSystem({ workers: 0 });
  vault = await openAccounts(system);
});
afterAll(async () => {
  await vault[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => system.simulator.reset());

/** What the other program has in its file after a sign-in at X. */
function otherProgramsTokens(user = 'sandbox_ada') {
  return system.simulator.signIn(user, { clientId: 'test-client' });
}

async function importFile(content: unknown, environment: Record<string, string> = {}) {
  const file = join(folder, 'token.json');
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
  const result = await runCommand('import-token', [file], { ...system.environment, ...environment });
  return { ...result, file };
}

const spooled = () => readdir(join(system.dataDir, 'spool'));
const refreshes = () =>
  system.simulator.state.requests.all.filter((request) =>
    request.bodyText?.includes('grant_type=refresh_token'),
  ).length;

it('a token.json of requests-oauthlib becomes an account that posts, and the file is left as it is', async () => {
  const tokens = otherProgramsTokens();
  const content = { ...tokens, scope: tokens.scope.split(' '), expires_at: Date.now() / 1000 - 3600 };
  const { code, stdout, stderr, file } = await importFile(content);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^@sandbox_ada \(Ada Sandbox\) is connected/);
  expect(stdout).toMatch(/token\.json is worthless now; delete it/);
  expect(stdout).not.toContain(tokens.refresh_token);
  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(content);
  expect(await spooled()).toEqual([]);
  expect(refreshes()).toBe(1);

  const account = await vault.accounts.find('1450000000000000001');
  expect(account).toMatchObject({ username: 'sandbox_ada', state: 'connected' });
  expect(account?.scope).toContain('media.write');
  const stored = await vault.accounts.tokens.read('1450000000000000001');
  expect(system.simulator.state.grants.findAccess(stored?.accessToken ?? '')).not.toBeNull();
});

it.each([
  ['the token one level deeper', (token: object) => ({ token, user: 'me' })],
  ['JSON within JSON', (token: object) => JSON.stringify(JSON.stringify(token))],
  [
    'a byte order mark and no scope',
    (token: object) => `\uFEFF${JSON.stringify({ ...token, scope: undefined })}`,
  ],
])('takes %s', async (_, wrap) => {
  const { code, stderr } = await importFile(wrap(otherProgramsTokens('sandbox_ben')));
  expect(stderr).toBe('');
  expect(code).toBe(0);
});

it.each([
  ['{"refresh_token": "canary-secret"', /It is not JSON\./],
  ['{"access_token": "canary-secret", "expires_at": 1}', /It holds no refresh_token/],
  ['[]', /It holds no refresh_token/],
])('says what is wrong with %s, and not what it holds', async (content, message) => {
  const { code, stdout, stderr } = await importFile(content);
  expect(code).toBe(1);
  expect(stderr).toMatch(message);
  expect(stdout + stderr).not.toContain('canary-secret');
  expect(refreshes()).toBe(0);
});

it('a refresh token that X does not take is reported with what to do', async () => {
  const tokens = otherProgramsTokens();
  expect((await importFile(tokens)).code).toBe(0);
  const again = await importFile(tokens);
  expect(again.code).toBe(1);
  expect(again.stderr).toMatch(
    /^X does not take the refresh token in this file: .* Connect the account at \/startAuth/,
  );
});

it('a user who is not allowed is turned away and revoked at X', async () => {
  const tokens = otherProgramsTokens('sandbox_cleo');
  const { code, stderr } = await importFile(tokens, { ALLOWED_X_USERS: 'sandbox_ada' });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^@sandbox_cleo is not among ALLOWED_X_USERS/);
  expect(await vault.accounts.find('1450000000000000003')).toBeNull();
  expect(system.simulator.state.grants.findAccess(tokens.access_token)).toBeNull();
  expect(await spooled()).toEqual([]);
});

it('what X gave before it stopped answering is kept, and the same command goes on from there', async () => {
  const tokens = otherProgramsTokens();
  system.simulator.faults.next(me, answer(503));
  const first = await importFile(tokens);
  expect(first.code).toBe(1);
  expect(first.stderr).toMatch(/Run the same command again/);
  expect(await spooled()).toHaveLength(1);
  const second = await importFile(tokens);
  expect(second.stderr).toBe('');
  expect(second.code).toBe(0);
  expect(refreshes()).toBe(1);
  expect(await spooled()).toEqual([]);
});

it('an X that is not sure says so, and one that was not reached leaves the file as good as before', async () => {
  const tokens = otherProgramsTokens();
  const away = await importFile(tokens, { X_API_URL: 'http://127.0.0.1:1' });
  expect(away.stderr).toMatch(/^X could not be reached.*as good as before/);
  system.simulator.faults.next(tokenEndpoint, actThenDrop());
  const unclear = await importFile(tokens);
  expect(unclear.stderr).toMatch(/^X did not give a clear answer/);
});

it('without the settings of a server it says which are missing', async () => {
  const file = join(folder, 'token.json');
  await writeFile(file, JSON.stringify(otherProgramsTokens()));
  const { code, stderr } = await runCommand('import-token', [file], { DATA_DIR: join(folder, 'none') });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^REDIS_URL: is not set.*start the server first.*\nTOKEN_KEYS: is not set/);
});

it('explains itself', async () => {
  expect((await runCommand('import-token', ['--help'], {})).stdout).toMatch(
    /npm run import-token -- token\.json/,
  );
  expect(await runCommand('import-token', [], {})).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/Name one file/),
  });
  const missing = await runCommand('import-token', [join(folder, 'nowhere.json')], {});
  expect(missing.stderr).toMatch(/There is no such file/);
});
