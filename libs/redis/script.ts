import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';

/** A Lua script: atomic on the server, called with its keys and arguments. */
export type Script = (keys: readonly string[], args: readonly (string | number)[]) => Promise<unknown>;

/**
 * Prepares a Lua script for one connection: called by digest, sent whole when the server does not know it (yet, or
 * any more, after a restart). ioredis sends a command again when its answer was lost, so a script must recognise
 * its own earlier run. `known`: the server is told of it whenever the connection is made, so that it runs at the first
 * call, before whatever is sent behind it.
 */
export function prepareScript(redis: Redis, lua: string, { known = false } = {}): Script {
  const digest = createHash('sha1').update(lua).digest('hex');
  if (known) {
    const tell = () => void redis.script('LOAD', lua).catch(() => {});
    redis.on('ready', tell);
    if (redis.status === 'ready') tell();
  }
  return async (keys, args) => {
    try {
      return await redis.evalsha(digest, keys.length, ...keys, ...args);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return await redis.eval(lua, keys.length, ...keys, ...args);
    }
  };
}
