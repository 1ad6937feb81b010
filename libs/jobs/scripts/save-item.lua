-- Saves one media item, if the worker run still owns it and the job still wants media.
-- KEYS: record, open jobs
-- ARGV: job id, index, owner, item as JSON, its step (new, prepared, ready), how many starts to count from now on ('': as before), check after ms,
--   what its history tells of it: JSON without time, its length
-- Answers {1, every item prepared, every item ready} or {0, reason, state}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local record = redis.call('HMGET', KEYS[1], 'state', 'media', 'item:' .. ARGV[2] .. ':owner',
  'item:' .. ARGV[2] .. ':told')
if not record[1] then return {0, 'gone', ''} end
if record[1] ~= 'accepted' and record[1] ~= 'ready' then return {0, 'state', record[1]} end
if record[3] ~= ARGV[3] then return {0, 'owner', record[1]} end
local item = 'item:' .. ARGV[2]
redis.call('HSET', KEYS[1], item, ARGV[4], item .. ':step', ARGV[5], 'updated_at', now)
if ARGV[6] ~= '' then redis.call('HSET', KEYS[1], item .. ':starts', ARGV[6]) end
if record[4] ~= ARGV[8] then
  redis.call('HSET', KEYS[1], item .. ':told', ARGV[8])
  redis.call('RPUSH', KEYS[1] .. ':history', '{"at":' .. string.format('%.0f', now) .. ',' .. string.sub(ARGV[8], 2))
  redis.call('LTRIM', KEYS[1] .. ':history', -ARGV[9], -1)
end
local prepared, ready = 1, 1
for index = 0, tonumber(record[2]) - 1 do
  local step = redis.call('HGET', KEYS[1], 'item:' .. index .. ':step')
  if step ~= 'ready' then ready = 0 end
  if step ~= 'ready' and step ~= 'prepared' then prepared = 0 end
end
if record[1] == 'accepted' then redis.call('ZADD', KEYS[2], now + tonumber(ARGV[7]), ARGV[1]) end
redis.call('PUBLISH', 'jobs:changed', ARGV[1])
return {1, prepared, ready}
