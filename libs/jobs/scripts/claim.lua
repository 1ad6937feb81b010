-- A worker run takes a job (or one media item of it) over: whoever had it can write no more, and the start is counted.
-- KEYS: record, open jobs
-- ARGV: job id, owner token, item index ('' for the job itself), highest record version that the worker knows, check after ms,
--   ms within which claims count as one start
-- Answers the fields of the record, or {} when there is nothing to claim.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local record = redis.call('HMGET', KEYS[1], 'state', 'v')
local state = record[1]
if not state or state == 'published' or state == 'failed' or state == 'canceled' then return {} end
if tonumber(record[2]) > tonumber(ARGV[4]) then return {} end
local prefix = ARGV[3] == '' and '' or 'item:' .. ARGV[3] .. ':'
-- A client that lost the answer sends this again: that is no second start.
local known = redis.call('HMGET', KEYS[1], prefix .. 'owner', prefix .. 'started_at', prefix .. 'starts')
if known[1] ~= ARGV[2] then
  -- Entries are doubled now and then, and runs take a job from each other within moments: that is one start. What a
  -- crash leaves behind comes back only when the queue's lock has run out.
  local fields = {prefix .. 'owner', ARGV[2]}
  if now - tonumber(known[2] or '0') >= tonumber(ARGV[6]) then
    fields = {prefix .. 'owner', ARGV[2], prefix .. 'started_at', now, prefix .. 'starts', tonumber(known[3] or '0') + 1}
  end
  redis.call('HSET', KEYS[1], unpack(fields))
end
if state ~= 'sending' then redis.call('ZADD', KEYS[2], now + tonumber(ARGV[5]), ARGV[1]) end
return redis.call('HGETALL', KEYS[1])
