import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** The paths of all our TypeScript files. */
export async function sourceFiles(): Promise<string[]> {
  const found: string[] = [];
  for (const folder of ['apps', 'libs', 'test', 'bench']) {
    const entries = await readdir(join(root, folder), { recursive: true });
    found.push(...entries.filter((name) => name.endsWith('.ts')).map((name) => join(root, folder, name)));
  }
  return found.sort();
}
