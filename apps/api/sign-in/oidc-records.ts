import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { AdapterPayload } from 'oidc-provider';
import { accountFields } from '#libs/accounts/account-store.ts';
import { accountKey } from '#libs/accounts/token-store.ts';
import { prepareScript } from '#libs/redis/script.ts';
import { hashOf } from './secrets.ts';

/** A public client may present a replaced refresh token again this long: its first answer may have been lost. */
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

/**
 * An access token with all that it hangs on, in one question, because every request asks it.
 * KEYS token · ARGV fields of the account → {payload, end, whether its grant lives, the account's fields}
 */
const lookUpLua = `
local token = redis.call('HMGET', KEYS[1], 'payload', 'exp', 'grant', 'account')
if not token[3] then return {token[1], token[2]} end
return {token[1], token[2], redis.call('EXISTS', token[3]), redis.call('HMGET', token[4], unpack(ARGV))}`;

/** Where a record is kept: its id is a secret for most kinds, so only the hash of it is written down. */
export function recordKey(kind: string, id: string): string {
  return `oauth:${kind}:${hashOf(id)}`;
}

/** Epoch seconds, as OAuth counts. */
export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

/** An access token, whether its grant lives, and the fields of its account (`accountFields`). */
export interface FoundToken {
  readonly payload: AdapterPayload;
  /** undefined, like `account`: the token is of an earlier version, which did not note where they are. */
  readonly alive: boolean | undefined;
  readonly account: readonly (string | null)[] | undefined;
}

/** oidc-provider's records, each a hash in Redis: its payload without `jti` (which is the id), and what became of it. */
export interface OidcRecords {
  read(kind: string, id: string): Promise<AdapterPayload | undefined>;
  lookUpToken(token: string): Promise<FoundToken | undefined>;
  write(kind: string, id: string, payload: AdapterPayload, ttlSeconds: number | undefined): Promise<void>;
  /** How often the record was used now, this time included; 0: it does not exist. */
  consume(kind: string, id: string): Promise<number>;
  /** `expiresAt` in epoch seconds. A record that is gone stays so. */
  extend(kind: string, id: string, expiresAt: number): Promise<void>;
  /** Keeps a record that still exists for so long from now. */
  keep(kind: string, id: string, ttlSeconds: number): Promise<void>;
  remove(kind: string, id: string): Promise<void>;
}

export function createOidcRecords(redis: Redis): OidcRecords {
  const consume = prepareScript(redis, consumeLua);
  const extend = prepareScript(redis, extendLua);
  const lookUp = prepareScript(redis, lookUpLua);
  return {
    async lookUpToken(token) {
      const answer = await lookUp([recordKey('AccessToken', token)], accountFields);
      const [stored, exp, alive, account] = answer as LookUpAnswer;
      if (stored === null) return undefined;
      const payload: AdapterPayload = { ...JSON.parse(stored), jti: token };
      if (exp !== null) payload.exp = Number(exp);
      return { payload, account, alive: alive === undefined ? undefined : alive === 1 };
    },
    async read(kind, id) {
      const fields = await redis.hgetall(recordKey(kind, id));
      if (fields.payload === undefined) return undefined;
      const payload: AdapterPayload = { ...JSON.parse(fields.payload), jti: id };
      if (fields.exp !== undefined) payload.exp = Number(fields.exp);
      if (fields.consumed !== undefined && !isInGrace(kind, fields))
        payload.consumed = Number(fields.consumed);
      return payload;
    },
    async write(kind, id, payload, ttlSeconds) {
      const { jti: _, ...stored } = payload;
      const fields = { payload: JSON.stringify(stored), ...linksOf(kind, payload) };
      const commands = redis.multi().hset(recordKey(kind, id), fields);
      if (ttlSeconds !== undefined) commands.expire(recordKey(kind, id), ttlSeconds);
      await commands.exec();
    },
    consume: async (kind, id) => Number(await consume([recordKey(kind, id)], [nowSeconds(), randomUUID()])),
    extend: async (kind, id, expiresAt) => void (await extend([recordKey(kind, id)], [expiresAt])),
    keep: async (kind, id, ttlSeconds) => void (await redis.expire(recordKey(kind, id), ttlSeconds)),
    remove: async (kind, id) => void (await redis.del(recordKey(kind, id))),
  };
}

type LookUpAnswer = [
  payload: string | null,
  exp: string | null,
  alive: number | undefined,
  account: readonly (string | null)[] | undefined,
];

/** Where an access token's grant and account are, for `lookUpToken`. */
function linksOf(kind: string, { grantId, accountId }: AdapterPayload): Record<string, string> {
  if (kind !== 'AccessToken' || grantId === undefined || accountId === undefined) return {};
  return { grant: recordKey('Grant', grantId), account: accountKey(accountId) };
}

function isInGrace(kind: string, fields: Record<string, string>): boolean {
  return (
    kind === 'RefreshToken' &&
    nowSeconds() - Number(fields.consumed) < graceSeconds &&
    Number(fields.uses) < graceUses
  );
}
