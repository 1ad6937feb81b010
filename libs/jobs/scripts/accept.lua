-- Accepts a job: claims its idempotency key and its content, writes the record and lists it as open, all or none.
-- KEYS: record, idempotency key ('' without one), recent content, open jobs, jobs of the account, open jobs of the account,
--   a hash that has to read as it did ('' for any), and further keys that have to be there
-- ARGV: job id, account id, username, client id, version of the record, order (sealed), its fingerprint, 1 to look for
--   recent content, its window in ms, most open jobs, who wakes it ('along': an entry that comes along; 'turn': whoever
--   sends the one before it, if there is one; 'later': an entry for its media or its time), ms for which it is kept that it
--   waits for its turn, number of fields of that hash, their names, their values ('': there is none), then further
--   fields of the record, each name before its value
-- Answers {outcome, job id | count}: replay, reused, recent, gone, too_many; or
-- {'new', job id, open jobs of the account, accepted_at, sequence, 1 when it has yet to be woken}.
local id, account, fingerprint = ARGV[1], ARGV[2], ARGV[7]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The same call again: the client re-sends a script whose answer was lost.
local written = redis.call('HMGET', KEYS[1], 'accepted_at', 'sequence')
if written[1] then return {'new', id, redis.call('SCARD', KEYS[6]), written[1], written[2], 1} end

-- Whoever asks may have been recognised a while ago: signed out or changed since then, it is told nothing and gets nothing.
-- And whoever disconnects the account cancels its open jobs after that: what came in later would outlive them.
for index = 8, #KEYS do
  if redis.call('EXISTS', KEYS[index]) == 0 then return {'gone', ''} end
end
local fields = tonumber(ARGV[13])
if fields > 0 then
  for index, is in ipairs(redis.call('HMGET', KEYS[7], unpack(ARGV, 14, 13 + fields))) do
    if (is or '') ~= ARGV[13 + fields + index] then return {'gone', ''} end
  end
end

if KEYS[2] ~= '' then
  local known = redis.call('HMGET', KEYS[2], 'job', 'fingerprint')
  if known[1] then
    if known[2] == fingerprint then return {'replay', known[1]} end
    return {'reused', known[1]}
  end
end
local others = repeated(KEYS[3], now, ARGV[9])
if ARGV[8] == '1' and others[1] then return {'recent', others[1]} end
local open = redis.call('SCARD', KEYS[6])
if open >= tonumber(ARGV[10]) then return {'too_many', tostring(open)} end

-- Microseconds tell jobs of one millisecond apart: the order of acceptance, and the cursor of the list.
local sequence = string.format('%.0f', time[1] * 1000000 + time[2])
redis.call('HSET', KEYS[1], 'v', ARGV[5], 'id', id, 'account', account, 'username', ARGV[3], 'client', ARGV[4],
  'state', 'accepted', 'order', ARGV[6], 'fingerprint', fingerprint, 'idem', KEYS[2],
  'accepted_at', now, 'updated_at', now, 'sequence', sequence, unpack(ARGV, 14 + 2 * fields))
if KEYS[2] ~= '' then redis.call('HSET', KEYS[2], 'job', id, 'fingerprint', fingerprint) end
redis.call('SET', KEYS[3], id, 'PX', ARGV[9])
-- Others of the same content (each by a key of its own) are kept beside it: it may fail where they are on X.
if others[1] then redis.call('SET', others_of(KEYS[3]), table.concat(others, ' '), 'PX', ARGV[9]) end
-- The accepting process wakes a worker itself; the sweeper looks soon in case it dies before that.
redis.call('ZADD', KEYS[4], now + 8000, id)
redis.call('ZADD', KEYS[5], sequence, id)
redis.call('SADD', KEYS[6], id)
redis.call('HINCRBY', 'count:jobs_accepted', '', 1)
-- With nothing to prepare it could be sent at once: from here on it has its place among the account's posts.
local is_to_be_woken = ARGV[11] ~= 'along'
if ARGV[11] == 'along' then join_lane(account, sequence, id) end
if ARGV[11] == 'turn' then
  local waits, first_is_kept = has_to_wait(account, sequence, id, ARGV[12])
  is_to_be_woken = not waits or first_is_kept
end
-- The list outlives the records: one post in eight takes out the oldest entries whose records have expired, and some at
-- random, because the oldest may be that of a post that is scheduled for next year.
if redis.call('ZCARD', KEYS[5]) % 8 == 0 then
  for _, old in ipairs(redis.call('ZRANGE', KEYS[5], 0, 15)) do
    if redis.call('EXISTS', 'job:' .. old) == 1 then break end
    redis.call('ZREM', KEYS[5], old)
  end
  for _, old in ipairs(redis.call('ZRANDMEMBER', KEYS[5], 16)) do
    if redis.call('EXISTS', 'job:' .. old) == 0 then redis.call('ZREM', KEYS[5], old) end
  end
end
return {'new', id, open + 1, now, sequence, is_to_be_woken and 1 or 0}
