/**
 * The writes on `account:<id>`. Each is a compare-and-set that recognises itself by its attempt id, because a script
 * whose reply was lost is sent again. Outcomes are flagged `allow-oom`: a full Redis must not cost a token pair.
 */

const noMarker = "redis.call('HDEL', KEYS[1], 'refresh_attempt', 'rt_digest', 'presented', 'started_at')";

/** KEYS account, set of ids · ARGV version found ('0': none), attempt, profile, scope, sealed → 1 or 0 */
export const connectScript = `#!lua flags=allow-oom
local v, done = unpack(redis.call('HMGET', KEYS[1], 'v', 'done_attempt'))
if done == ARGV[2] then return 1 end
if (v or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'profile', ARGV[3], 'scope', ARGV[4], 'sealed', ARGV[5],
  'v', ARGV[1] + 1, 'st', 'OK', 'done_attempt', ARGV[2])
${noMarker}
redis.call('SADD', KEYS[2], string.match(KEYS[1], '[^:]+$'))
return 1`;

/**
 * The lock must still be ours and starts anew: so nobody else can present the same token while we do, however long
 * Redis or this process stood still before.
 * KEYS account, lock · ARGV version, attempt id found (or ''), new attempt id, digest, lock owner, lock ms → 1 or 0
 */
export const markScript = `#!lua
local v, st, attempt, digest, presented =
  unpack(redis.call('HMGET', KEYS[1], 'v', 'st', 'refresh_attempt', 'rt_digest', 'presented'))
if attempt == ARGV[3] then return 1 end
if v ~= ARGV[1] or st == 'DEAD' or (attempt or '') ~= ARGV[2] then return 0 end
if redis.call('GET', KEYS[2]) ~= ARGV[5] then return 0 end
redis.call('PEXPIRE', KEYS[2], ARGV[6])
local before = digest == ARGV[4] and tonumber(presented) or 0
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'st', 'REFRESHING', 'refresh_attempt', ARGV[3], 'rt_digest', ARGV[4],
  'presented', before + 1, 'started_at', time[1] * 1000 + math.floor(time[2] / 1000))
return 1`;

/** The token did not reach X this time. KEYS account · ARGV attempt id → 1 or 0 */
export const unmarkScript = `#!lua flags=allow-oom
local attempt, presented = unpack(redis.call('HMGET', KEYS[1], 'refresh_attempt', 'presented'))
if attempt ~= ARGV[1] then return 0 end
if tonumber(presented) > 1 then
  redis.call('HSET', KEYS[1], 'refresh_attempt', '', 'presented', presented - 1)
else
  redis.call('HSET', KEYS[1], 'st', 'OK')
  ${noMarker}
end
return 1`;

/**
 * X gave a new pair for the token with this digest: true whoever marked since, and even if it was found dead since.
 * KEYS account · ARGV version, digest, attempt id, scope ('' keeps it), sealed → 'stored', 'moved' or 'gone'
 */
export const rotateScript = `#!lua flags=allow-oom
local v, digest, done = unpack(redis.call('HMGET', KEYS[1], 'v', 'rt_digest', 'done_attempt'))
if not v then return 'gone' end
if done == ARGV[3] then return 'stored' end
if v ~= ARGV[1] or digest ~= ARGV[2] then return 'moved' end
redis.call('HSET', KEYS[1], 'sealed', ARGV[5], 'v', v + 1, 'st', 'OK', 'done_attempt', ARGV[3])
if ARGV[4] ~= '' then redis.call('HSET', KEYS[1], 'scope', ARGV[4]) end
${noMarker}
return 'stored'`;

/**
 * Wipes the tokens; the digest stays for a pair that may still lie in a spool. With the connection to X ends what we
 * granted on it, in the same step: no crash leaves a client with tokens of ours that are good for nothing.
 * KEYS account, its grants · ARGV version, attempt id or '' → 1 or 0
 */
export const killScript = `#!lua flags=allow-oom
local v, attempt = unpack(redis.call('HMGET', KEYS[1], 'v', 'refresh_attempt'))
if v ~= ARGV[1] or (attempt or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'st', 'DEAD')
redis.call('HDEL', KEYS[1], 'sealed')
for _, grant in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do redis.call('DEL', grant) end
redis.call('DEL', KEYS[2])
return 1`;

/** KEYS account · ARGV version, sealed before, sealed after → 1 or 0 */
export const resealScript = `#!lua
local v, sealed = unpack(redis.call('HMGET', KEYS[1], 'v', 'sealed'))
if sealed == ARGV[3] then return 1 end
if v ~= ARGV[1] or sealed ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'sealed', ARGV[3])
return 1`;

/** KEYS lock · ARGV owner → 1 or 0 */
export const unlockScript = `#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;
