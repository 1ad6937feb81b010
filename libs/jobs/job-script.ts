import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { prepareScript, type Script } from '#libs/redis/script.ts';

const read = (name: string) => readFileSync(join(import.meta.dirname, 'scripts', `${name}.lua`), 'utf8');
const functions = read('lane') + read('recent');

/** The text of a script of `scripts/`, by its name, with the functions that it may need. */
export const jobLua = (name: string): string => `${functions}${read(name)}`;

/**
 * A script of `scripts/`, by its name. `allowOom`: it also runs when Redis is full, because it leads to an end.
 * `known`: as for `prepareScript`.
 */
export function jobScript(redis: Redis, name: string, { allowOom = false, known = false } = {}): Script {
  return prepareScript(redis, `#!lua${allowOom ? ' flags=allow-oom' : ''}\n${jobLua(name)}`, { known });
}
