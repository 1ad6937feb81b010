import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { prepareScript, type Script } from '#libs/redis/script.ts';

/**
 * A script of `scripts/`, by its name. `allowOom`: it also runs when Redis is full, because it leads to an end.
 * `known`: as for `prepareScript`.
 */
export function jobScript(redis: Redis, name: string, { allowOom = false, known = false } = {}): Script {
  const lua = readFileSync(join(import.meta.dirname, 'scripts', `${name}.lua`), 'utf8');
  return prepareScript(redis, `#!lua${allowOom ? ' flags=allow-oom' : ''}\n${lua}`, { known });
}
