import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const read = new Map<string, string>();

/** Scripts of ours that lie beside this file, joined, to stand inside a page; each is read once. */
export function loadScripts(...names: readonly `${string}.js`[]): string {
  return names
    .map((name) => {
      const text = read.get(name) ?? readFileSync(join(import.meta.dirname, name), 'utf8');
      read.set(name, text);
      return text;
    })
    .join('\n');
}
