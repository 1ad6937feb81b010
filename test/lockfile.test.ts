import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';

const Lockfile = z.object({
  packages: z.record(
    z.string(),
    z.object({
      optionalDependencies: z.record(z.string(), z.string()).optional(),
      resolved: z.string().optional(),
    }),
  ),
});

async function packages() {
  const text = await readFile(join(import.meta.dirname, '../package-lock.json'), 'utf8');
  return Lockfile.parse(JSON.parse(text)).packages;
}

// `npm install` leaves packages of other platforms out when the registry does not have all of them, and then
// `npm ci` refuses the lockfile on every fresh machine.
it('the lockfile has the packages of every platform', async () => {
  const all = await packages();
  const missing = Object.entries(all).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !placesFor(name, path).some((place) => place in all))
      .map((name) => `${name}, wanted by ${path}`),
  );
  expect(missing).toEqual([]);
});

it('the lockfile names no address to download from', async () => {
  const addresses = Object.values(await packages()).flatMap(({ resolved }) => resolved ?? []);
  expect(addresses).toEqual([]);
});

/** Where a package that `path` asks for may stand: below it, or below any folder that it stands in. */
function placesFor(name: string, path: string): string[] {
  const parents = path.split('/node_modules/');
  const below = parents.map(
    (_, index) => `${parents.slice(0, index + 1).join('/node_modules/')}/node_modules/${name}`,
  );
  return [...below, `node_modules/${name}`];
}
