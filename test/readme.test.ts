import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const read = (file: string) => readFile(join(root, file), 'utf8');

/** The variables that the processes know, from the one place that reads them. */
async function knownVariables(): Promise<string[]> {
  const source = await read('libs/config/environment.ts');
  const schema = /const Environment = z\.object\(\{([\s\S]*?)\n\}\);/.exec(source)?.[1] ?? '';
  return [...schema.matchAll(/^ {2}([A-Z_]+):/gm)].flatMap(([, name]) => name ?? []).sort();
}

it('the README explains every variable and no other', async () => {
  const table = /\| variable \|[\s\S]*?\n\n/.exec(await read('README.md'))?.[0] ?? '';
  const rows = table.split('\n').slice(2).filter(Boolean);
  const inFirstColumn = rows.flatMap((row) => row.split('|')[1]?.match(/[A-Z_]{4,}/g) ?? []);
  expect([...inFirstColumn, 'FLASK_SECRET_KEY'].sort()).toEqual(await knownVariables());
});

it('.env.example shows every variable and no other', async () => {
  const shown = [...(await read('.env.example')).matchAll(/^(?:# )?([A-Z_]+)=/gm)].map(([, name]) => name);
  const others = ['REDIS_PASSWORD'];
  expect(shown.filter((name) => !others.includes(name ?? '')).sort()).toEqual(
    (await knownVariables()).filter((name) => name !== 'FLASK_SECRET_KEY'),
  );
});

it('every file that the README links to is there, and every script that it names', async () => {
  const readme = await read('README.md');
  for (const [, link = ''] of readme.matchAll(/\]\((?!https?:)([^)#]+)/g)) await access(join(root, link));
  const { scripts } = JSON.parse(await read('package.json'));
  for (const [, name] of readme.matchAll(/npm run ([a-z-]+)/g)) expect(scripts).toHaveProperty([name ?? '']);
});
