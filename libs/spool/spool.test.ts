import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createSealer } from '#libs/sealing/sealing.ts';
import { openSpool } from './spool.ts';

const key = { kid: 'a', key: randomBytes(32) };
const sealer = createSealer([key]);
let dir: string;

beforeEach(async () => {
  dir = join(await mkdtemp(join(tmpdir(), 'spool-')), 'spool');
});
afterEach(() => rm(join(dir, '..'), { recursive: true, force: true }));

const open = () => openSpool(dir, sealer);

test('what was appended is there after a restart, by kind', async () => {
  const first = await open();
  const id = await first.append('token-set', { token: 'canary' });
  await first.append('outcome', { tweet: '1' });
  await first[Symbol.asyncDispose]();
  await using second = await open();
  expect(await second.entries('token-set')).toEqual([{ id, entry: { token: 'canary' } }]);
  expect(await second.entries('outcome')).toMatchObject([{ entry: { tweet: '1' } }]);
  expect(await second.entries('nothing')).toEqual([]);
});

test('what was dropped is gone, whoever wrote it, and may be dropped again', async () => {
  await using writer = await open();
  await using other = await open();
  const kept = await writer.append('a', { n: 1 });
  const dropped = await writer.append('a', { n: 2 });
  await other.drop(dropped);
  await writer.drop(dropped);
  for (const spool of [writer, other])
    expect(await spool.entries('a')).toEqual([{ id: kept, entry: { n: 1 } }]);
});

test('many processes append at once without harm', async () => {
  const spools = await Promise.all(Array.from({ length: 5 }, open));
  await Promise.all(
    spools.flatMap((spool, n) => Array.from({ length: 10 }, (_, m) => spool.append('a', { n, m }))),
  );
  await using reader = await open();
  expect(new Set((await reader.entries('a')).map(({ entry }) => JSON.stringify(entry))).size).toBe(50);
});

test('nothing can be read from the disk without the key', async () => {
  await using spool = await open();
  await spool.append('token-set', { token: 'canary-secret' });
  const files = await readdir(dir);
  const contents = await Promise.all(files.map((name) => readFile(join(dir, name), 'utf8')));
  expect([...files, ...contents].join()).not.toContain('canary');
});

test('a file that is broken, foreign or of another place hides no other and stays', async () => {
  await using spool = await open();
  const id = await spool.append('a', { n: 1 });
  const sealed = await readFile(join(dir, `${id}.sealed`), 'utf8');
  const elsewhere = id.replace(/.{4}$/, '0000');
  await writeFile(join(dir, `${elsewhere}.sealed`), sealed);
  await writeFile(join(dir, 'a.torn.sealed'), sealed.slice(0, 20));
  await writeFile(join(dir, 'README'), 'hello');
  expect(await spool.entries('a')).toEqual([{ id, entry: { n: 1 } }]);
  expect(await readdir(dir)).toHaveLength(4);
});

test('an entry waits for its key to come back', async () => {
  await using before = await open();
  const id = await before.append('a', { n: 1 });
  await using without = await openSpool(dir, createSealer([{ kid: 'b', key: randomBytes(32) }]));
  expect(await without.entries('a')).toEqual([]);
  await using after = await openSpool(dir, createSealer([{ kid: 'b', key: randomBytes(32) }, key]));
  expect(await after.entries('a')).toEqual([{ id, entry: { n: 1 } }]);
});

test('what a crash left half-written is never read, and removed when its writer must be gone', async () => {
  await open();
  const [young, old] = [join(dir, 'a.1.sealed.unfinished'), join(dir, 'a.2.sealed.unfinished')];
  for (const file of [young, old]) await writeFile(file, 'v1.a.');
  const twoMinutesAgo = new Date(Date.now() - 120_000);
  await utimes(old, twoMinutesAgo, twoMinutesAgo);
  await using spool = await open();
  expect(await spool.entries('a')).toEqual([]);
  expect(await readdir(dir)).toEqual(['a.1.sealed.unfinished']);
});

test('an entry that cannot be written leaves nothing behind and says so', async () => {
  const spool = await open();
  await rm(dir, { recursive: true });
  await expect(spool.append('a', { n: 1 })).rejects.toThrow('ENOENT');
  await expect(spool.append('../a', { n: 1 })).rejects.toThrow('Not a kind');
});

test('an id cannot reach outside the folder', async () => {
  await using spool = await open();
  const outside = join(dir, '..', 'precious.sealed');
  await writeFile(outside, 'x');
  await spool.drop('../precious');
  expect(await readFile(outside, 'utf8')).toBe('x');
});
