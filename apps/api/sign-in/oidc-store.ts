import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { type Adapter, type AdapterFactory, type AdapterPayload, errors } from 'oidc-provider';
import { prepareScript } from '#libs/redis/script.ts';
import { reach } from './reach.ts';
import { hashOf } from './secrets.ts';

/** Days that a refresh token lives from its last use; its grant lives as long. */
const refreshTokenSeconds = 90 * 86_400;

/** A public client may present a rotated refresh token again this long: its first answer may have been lost. */
const graceSeconds = 60;

/** … and so often: two tabs and some retries are honest, a stream of them is not. */
const graceUses = 20;

/** Marks a record as used and tells how often it was, this time included; 0: there is none. Knows its own repetition. */
const consumeLua = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if redis.call('HSETNX', KEYS[1], 'consumed_by', ARGV[2]) == 1 then
  redis.call('HSET', KEYS[1], 'consumed', ARGV[1], 'uses', 1)
  return 1
end
if redis.call('HGET', KEYS[1], 'consumed_by') == ARGV[2] then return 1 end
return redis.call('HINCRBY', KEYS[1], 'uses', 1)`;

/** Gives a record that still exists a later end. */
const extendLua = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'exp', ARGV[1])
return redis.call('EXPIREAT', KEYS[1], ARGV[1])`;

/** Storage of the authorization server, and the few questions that are put to it directly. */
export interface OidcStore {
  readonly adapter: AdapterFactory;
  /** What an access token stands for, or null when it is unknown, expired or revoked. Two reads at most. */
  findAccessToken(token: string): Promise<AdapterPayload | null>;
  /** Gives a refresh token and its grant another full life. */
  extendRefreshToken(token: string): Promise<void>;
  /** Ends every grant of the account, and with them every token and code that came of them. */
  revokeAccount(accountId: string): Promise<void>;
}

/**
 * oidc-provider's storage in Redis. Tokens and codes are found by their SHA-256 and never stored themselves.
 * Everything hangs on its grant: a token whose grant is gone is dead, so one deletion ends a whole family at once,
 * even a member that is being issued at this moment.
 */
export function createOidcStore(redis: Redis): OidcStore {
  const consumeRecord = prepareScript(redis, consumeLua);
  const extendRecord = prepareScript(redis, extendLua);
  const seconds = () => Math.floor(Date.now() / 1000);
  const keyOf = (kind: string, id: string) => `oauth:${kind}:${hashOf(id)}`;
  const grantsOf = (accountId: string) => `oauth:grants-of:${accountId}`;

  /** A grant lives as long as the last refresh token that was issued for it. */
  const keepGrant = (grantId: string, accountId: string) => {
    const grant = keyOf('Grant', grantId);
    return redis
      .multi()
      .expire(grant, refreshTokenSeconds)
      .zadd(grantsOf(accountId), 'XX', seconds() + refreshTokenSeconds, grant)
      .expire(grantsOf(accountId), refreshTokenSeconds)
      .exec();
  };

  const read = async (kind: string, id: string): Promise<AdapterPayload | undefined> => {
    const fields = await redis.hgetall(keyOf(kind, id));
    if (fields.payload === undefined) return undefined;
    const payload: AdapterPayload = { ...JSON.parse(fields.payload), jti: id };
    if (fields.exp !== undefined) payload.exp = Number(fields.exp);
    if (fields.consumed !== undefined && !isInGrace(kind, fields)) payload.consumed = Number(fields.consumed);
    return payload;
  };

  const isInGrace = (kind: string, fields: Record<string, string>) =>
    kind === 'RefreshToken' &&
    seconds() - Number(fields.consumed) < graceSeconds &&
    Number(fields.uses) < graceUses;

  const revokeGrant = (grantId: string) => redis.del(keyOf('Grant', grantId));

  const adapter = (kind: string): Adapter => ({
    upsert: (id, payload, expiresIn) =>
      reach(async () => {
        const key = keyOf(kind, id);
        const { jti: _, ...stored } = payload;
        const ttlSeconds = kind === 'Grant' ? refreshTokenSeconds : expiresIn;
        const write = redis.multi().hset(key, 'payload', JSON.stringify(stored));
        if (ttlSeconds !== undefined) write.expire(key, ttlSeconds);
        if (kind === 'Grant' && payload.accountId !== undefined)
          write
            .zremrangebyscore(grantsOf(payload.accountId), 0, seconds())
            .zadd(grantsOf(payload.accountId), String(seconds() + refreshTokenSeconds), key)
            .expire(grantsOf(payload.accountId), refreshTokenSeconds);
        await write.exec();
        if (kind === 'RefreshToken' && payload.grantId !== undefined && payload.accountId !== undefined)
          await keepGrant(payload.grantId, payload.accountId);
      }),
    find: (id) => reach(() => read(kind, id)),
    // Only for clients' sessions and device codes, neither of which exists here.
    findByUid: async () => undefined,
    findByUserCode: async () => undefined,
    consume: (id) =>
      reach(async () => {
        const uses = Number(await consumeRecord([keyOf(kind, id)], [seconds(), randomUUID()]));
        if (kind !== 'AuthorizationCode' || uses === 1) return;
        // Two requests with one code at the same moment: whoever comes second ends what the first one got.
        const code = await read(kind, id);
        if (code?.grantId !== undefined) await revokeGrant(code.grantId);
        throw new errors.InvalidGrant('authorization code already consumed');
      }),
    destroy: (id) => reach(async () => void (await redis.del(keyOf(kind, id)))),
    revokeByGrantId: (grantId) => reach(async () => void (await revokeGrant(grantId))),
  });

  return {
    adapter,
    findAccessToken: (token) =>
      reach(async () => {
        const payload = await read('AccessToken', token);
        if (payload?.grantId === undefined || (payload.exp ?? 0) <= seconds()) return null;
        return (await redis.exists(keyOf('Grant', payload.grantId))) === 1 ? payload : null;
      }),
    extendRefreshToken: (token) =>
      reach(async () => {
        const payload = await read('RefreshToken', token);
        if (payload?.grantId === undefined || payload.accountId === undefined) return;
        await extendRecord([keyOf('RefreshToken', token)], [seconds() + refreshTokenSeconds]);
        await keepGrant(payload.grantId, payload.accountId);
      }),
    revokeAccount: (accountId) =>
      reach(async () => {
        const grants = await redis.zrange(grantsOf(accountId), 0, '-1');
        if (grants.length > 0)
          await redis
            .multi()
            .del(...grants)
            .zrem(grantsOf(accountId), ...grants)
            .exec();
      }),
  };
}
