import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';

const root = join(import.meta.dirname, '..');
const read = (file: string) => readFile(join(root, file), 'utf8');

const Manifest = z.object({
  dependencies: z.record(z.string(), z.string()),
  devDependencies: z.record(z.string(), z.string()),
});
const Lockfile = z.object({
  packages: z.record(
    z.string(),
    z.object({
      dev: z.boolean().optional(),
      devOptional: z.boolean().optional(),
      integrity: z.string().optional(),
      license: z.string().optional(),
    }),
  ),
});

/** What may stand in a chain of AND; in one of OR a single one is enough. */
const allowed = [
  ...['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'BlueOak-1.0.0', 'CC0-1.0'],
  // Asks for the source of changes to its own files: we make none.
  'MPL-2.0',
  // libvips, a shared library that whoever has the image can exchange.
  'LGPL-3.0-or-later',
];
/** Packages that say it in a file only, and what the file must contain. */
const inFile: Readonly<Record<string, string>> = {
  'node_modules/twitter-text': 'Licensed under the Apache License, Version 2.0',
};

const lockfile = async () => Lockfile.parse(JSON.parse(await read('package-lock.json'))).packages;

function isAllowed(license: string): boolean {
  const chains = license.replace(/[()]/g, '').split(' OR ');
  return chains.some((chain) => chain.split(' AND ').every((name) => allowed.includes(name)));
}

it('docs/dependencies.md explains every direct dependency and no other, with its licences', async () => {
  const { dependencies, devDependencies } = Manifest.parse(JSON.parse(await read('package.json')));
  const [production = '', tests = ''] = (await read('docs/dependencies.md')).split('## For tests and checks');
  const named = (part: string) => [...part.matchAll(/^\| `([^`]+)` \| \S/gm)].map(([, name]) => name);
  expect(named(production)).toEqual(Object.keys(dependencies).sort());
  expect(named(tests)).toEqual(Object.keys(devDependencies).sort());
  for (const name of allowed) expect(tests).toContain(name.replace(/^BSD-.*/, 'BSD'));
});

it('direct dependencies have exact versions, and every locked package an integrity', async () => {
  const { dependencies, devDependencies } = Manifest.parse(JSON.parse(await read('package.json')));
  for (const version of [...Object.values(dependencies), ...Object.values(devDependencies)])
    expect(version).toMatch(/^\d+\.\d+\.\d+(-[\w.]+)?$/);
  const loose = Object.entries(await lockfile()).filter(([path, { integrity }]) => path !== '' && !integrity);
  expect(loose.map(([path]) => path)).toEqual([]);
});

it('what runs in production is licensed so that anybody may run it', async () => {
  const production = Object.entries(await lockfile()).filter(
    ([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional,
  );
  expect(production.length).toBeGreaterThan(100);
  const refused: string[] = [];
  for (const [path, { license = '' }] of production) {
    const words = inFile[path];
    const fits = words ? (await read(`${path}/LICENSE`)).includes(words) : isAllowed(license);
    if (!fits) refused.push(`${path}: ${license || 'says nothing'}`);
  }
  expect(refused).toEqual([]);
});

it('what packages say about themselves when they are installed is what the lockfile says', async () => {
  const { dependencies } = Manifest.parse(JSON.parse(await read('package.json')));
  const locked = await lockfile();
  for (const name of Object.keys(dependencies)) {
    const { license } = z
      .object({ license: z.string().optional() })
      .parse(JSON.parse(await read(`node_modules/${name}/package.json`)));
    expect([name, license]).toEqual([name, locked[`node_modules/${name}`]?.license]);
  }
});
