-- Moves a record by one entry of the table of moves: checks the guards and writes, or does nothing.
-- KEYS: record, open jobs
-- ARGV: the move as JSON: {id, moveId, from, to, guards{owner, attempt, cursor, due, deadline, unposted, media,
--   trusted, turn}, set{}, del[], bumpFence, name, historyLength, checkAt | checkAfterMs | checkNever,
--   tweet{id, claim, createdAt, answerMs}, charge{keys[], thousandths, keptMs}, calls[], callsKept, retentionMs,
--   publishBuckets[]}
-- Answers {1, now, id of the job whose turn it is now or '', open jobs of the account} done, {2, ...the same} done before
-- by this very call, {0, reason, state}.
local move = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local record = redis.call('HMGET', KEYS[1], 'state', 'owner', 'attempt_id', 'cursor', 'last_move', 'not_before',
  'publish_at', 'expires_at', 'deadline_at', 'media', 'account', 'idem', 'tweets', 'sequence', 'reconcile',
  'accepted_at')
local state = record[1]
if not state then return {0, 'gone', ''} end
-- The client re-sends a script whose answer was lost: its own write must not look like somebody else's.
if record[5] == move.moveId then return {2, now, head_after(record[11], move.id)} end

local allowed = false
for _, from in ipairs(move.from) do allowed = allowed or from == state end
if not allowed then return {0, 'state', state} end
local guards = move.guards
local function after(value) return value and value ~= '' and tonumber(value) > now end
local holder = record[2]
if move.item then holder = redis.call('HGET', KEYS[1], 'item:' .. move.item .. ':owner') end
if guards.owner and guards.owner ~= holder then return {0, 'owner', state} end
if guards.attempt and guards.attempt ~= record[3] then return {0, 'attempt', state} end
if guards.cursor and tonumber(guards.cursor) ~= tonumber(record[4] or '0') then return {0, 'cursor', state} end
if guards.due and (after(record[6]) or after(record[7])) then return {0, 'due', state} end
if guards.due and record[8] and record[8] ~= '' and not after(record[8]) then return {0, 'expired', state} end
if guards.deadline and after(record[9]) then return {0, 'deadline', state} end
if guards.unposted and record[13] and record[13] ~= '' then return {0, 'unposted', state} end
if guards.media and state == 'accepted' and tonumber(record[10] or '0') > 0 then return {0, 'media', state} end
-- Before its time it cannot have been sent, whatever Redis has forgotten.
if guards.trusted and record[15] and not after(record[7]) then return {0, 'trusted', state} end
-- Its run goes to sleep then; one that has not come here yet comes by itself, or waits to be called.
if guards.turn and has_to_wait(record[11], record[14], move.id, move.retentionMs) then return {0, 'turn', state} end

-- Whether another job with the same content may have made this post, and may yet be told so.
local function is_contested()
  local content = redis.call('HGET', KEYS[1], 'fingerprint')
  for _, other in ipairs(redis.call('SMEMBERS', 'open:' .. record[11])) do
    local rival = redis.call('HMGET', 'job:' .. other, 'fingerprint', 'state', 'intent_at', 'observation')
    local refused = rival[4] and string.find(rival[4], '"duplicate":true', 1, true)
    local waits = rival[2] == 'sending' or (rival[2] == 'confirming' and not refused)
    local intent = tonumber(rival[3] or '0')
    -- X's clock may differ a little.
    local could = intent > now - move.tweet.answerMs and move.tweet.createdAt > intent - 5000
    if other ~= move.id and rival[1] == content and waits and could then return true end
  end
  return false
end

local to = move.to == 'same' and state or move.to
local fields = {'state', to, 'updated_at', now, 'last_move', move.moveId}
if move.tweet then
  if move.tweet.id ~= '' then
    local owner_key = 'postowner:' .. move.tweet.id
    local owner = move.tweet.claim == 'if_free' and redis.call('GET', owner_key)
    if owner and owner ~= move.id then return {0, 'claimed', state} end
    if move.tweet.createdAt and not owner and is_contested() then return {0, 'contested', state} end
    redis.call('SET', owner_key, move.id, 'PX', move.retentionMs)
  end
  local tweets = record[13] and record[13] ~= '' and record[13] .. ',' or ''
  fields[#fields + 1] = 'tweets'
  fields[#fields + 1] = tweets .. move.tweet.id .. '@' .. now
end
for name, value in pairs(move.set) do
  local offset = string.match(value, '^@now([+-]?%d*)$')
  fields[#fields + 1] = name
  fields[#fields + 1] = offset and now + (tonumber(offset) or 0) or value
end
local closed = to == 'published' or to == 'failed' or to == 'canceled'
local ended = closed or to == 'unconfirmed'
if ended and to ~= state then
  fields[#fields + 1] = 'ended_at'
  fields[#fields + 1] = now
end
redis.call('HSET', KEYS[1], unpack(fields))
if #move.del > 0 then redis.call('HDEL', KEYS[1], unpack(move.del)) end
if move.bumpFence then redis.call('HINCRBY', KEYS[1], 'fence', 1) end

local function append(list, most, ...)
  if redis.call('RPUSH', list, ...) > most then redis.call('LTRIM', list, -most, -1) end
end
-- What the job's page tells of its past: new states and waits, no content.
local history = KEYS[1] .. ':history'
if to ~= state or move.tweet or move.set.wait_reason then
  append(history, move.historyLength, cjson.encode({at = now, move = move.name, state = to,
    cursor = tonumber(record[4] or '0'), reason = move.set.wait_reason, ['until'] = tonumber(move.set.not_before or ''),
    code = move.set.error and cjson.decode(move.set.error).code}))
end

-- What libs/insight tells of all jobs together; here, so that every move counts once, however often it is sent.
if move.tweet then redis.call('HINCRBY', 'count:posts_created', '', 1) end
if ended and to ~= state then
  local code = to == 'failed' and move.set.error and cjson.decode(move.set.error).code or ''
  redis.call('HINCRBY', 'count:jobs_ended', to .. '|' .. code, 1)
end
if to == 'published' then
  local took = math.max(0, now - math.max(tonumber(record[16] or now), tonumber(record[7] or '0') or 0))
  local bucket = 0
  while move.publishBuckets[bucket + 1] and took > move.publishBuckets[bucket + 1] * 1000 do bucket = bucket + 1 end
  redis.call('HINCRBY', 'count:publish_seconds', tostring(bucket), 1)
  redis.call('HINCRBY', 'count:publish_seconds', 'sum', took)
end

local calls = KEYS[1] .. ':calls'
if move.calls then
  append(calls, move.callsKept, unpack(move.calls))
end
if closed or move.checkNever then
  redis.call('ZREM', KEYS[2], move.id)
elseif move.checkAt then
  redis.call('ZADD', KEYS[2], move.checkAt, move.id)
elseif move.checkAfterMs then
  redis.call('ZADD', KEYS[2], now + move.checkAfterMs, move.id)
end
local idem = record[12]
if ended then
  redis.call('SREM', 'open:' .. record[11], move.id)
  redis.call('PEXPIRE', KEYS[1], move.retentionMs)
  redis.call('PEXPIRE', history, move.retentionMs)
  redis.call('PEXPIRE', calls, move.retentionMs)
  if idem and idem ~= '' then redis.call('PEXPIRE', idem, move.retentionMs) end
elseif state == 'unconfirmed' then
  redis.call('SADD', 'open:' .. record[11], move.id)
  redis.call('PERSIST', KEYS[1])
  redis.call('PERSIST', history)
  redis.call('PERSIST', calls)
  if idem and idem ~= '' then redis.call('PERSIST', idem) end
end
local following, open_jobs = '', 0
if to == 'ready' and not after(record[7]) then
  join_lane(record[11], record[14], move.id)
elseif to ~= 'ready' and to ~= 'sending' and to ~= state then
  following, open_jobs = leave_lane(record[11], move.id)
end
if move.charge then
  for _, key in ipairs(move.charge.keys) do
    local sum = redis.call('INCRBY', key, move.charge.thousandths)
    -- Its first booking says how long the sum of a month is kept.
    if sum == move.charge.thousandths then redis.call('PEXPIRE', key, move.charge.keptMs) end
  end
end
redis.call('PUBLISH', 'jobs:changed', move.id)
return {1, now, following, open_jobs}
