import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';

/** A Lua script: atomic on the server, called with its keys and arguments. */
export type Script = (keys: readonly string[], args: readonly (string | number)[]) => Promise<unknown>;

/**
 * Prepares a Lua script for one connection: called by digest, sent whole when the server does not know it (yet, or
 * any more, after a restart). ioredis sends a command again when its answer was lost, so a script must recognise
 * its own earlier run.
 */
export function prepareScript(redis: Redis, lua: string): Script {
  const digest = createHash('sha1').update(lua).digest('hex');
  return async (keys, args) => {
    try {
      return await redis.evalsha(digest, keys.length, ...keys, ...args);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return await redis.eval(lua, keys.length, ...keys, ...args);
    }
  };
}
