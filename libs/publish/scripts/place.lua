-- Places for the media items of one account that are in work, each with an end: what a dead worker held comes free.
-- KEYS: places (hash: item -> owner@end), those who wait (sorted set: item by the order of acceptance)
-- ARGV: take | renew | leave, item as job:index, owner, lease ms, most jobs, most items, order of acceptance
-- take answers {1, 0} or {0, ms after which to ask again at the latest}; leave the items that may come in now.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local mode, me, owner, lease = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local held, jobs, job_count, item_count, soonest = {}, {}, 0, 0, now + lease
local function job_of(item) return string.match(item, '^(.*):%d+$') end
local function count(item)
  item_count = item_count + 1
  if not jobs[job_of(item)] then job_count = job_count + 1 end
  jobs[job_of(item)] = true
end
local known = redis.call('HGETALL', KEYS[1])
for index = 1, #known, 2 do
  local item = known[index]
  local holder, ends = string.match(known[index + 1], '^(.*)@(%d+)$')
  if tonumber(ends) <= now or (mode == 'leave' and item == me and holder == owner) then
    redis.call('HDEL', KEYS[1], item)
  else
    held[item] = holder
    soonest = math.min(soonest, tonumber(ends))
    count(item)
  end
end
local function hold()
  redis.call('ZREM', KEYS[2], me)
  redis.call('HSET', KEYS[1], me, owner .. '@' .. string.format('%.0f', now + lease))
  redis.call('PEXPIRE', KEYS[1], lease)
  return {1, 0}
end
-- What is in work counts, even where its place has meanwhile gone to somebody else.
if mode == 'renew' then
  if held[me] and held[me] ~= owner then return {0, 0} end
  return hold()
end
-- Another run takes the item over, and its place with it.
if mode == 'take' and held[me] then return hold() end
if mode == 'take' then
  redis.call('ZADD', KEYS[2], ARGV[7], me)
  redis.call('PEXPIRE', KEYS[2], 3600000)
end
-- In the order of acceptance; those whose job has ended or moved on never come.
local admitted = {}
for _, item in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  if item_count >= tonumber(ARGV[6]) then break end
  if redis.call('HGET', 'job:' .. job_of(item), 'state') ~= 'accepted' then
    redis.call('ZREM', KEYS[2], item)
  elseif jobs[job_of(item)] or job_count < tonumber(ARGV[5]) then
    if mode == 'take' and item == me then return hold() end
    count(item)
    admitted[#admitted + 1] = item
  end
end
if mode == 'leave' then return admitted end
return {0, soonest - now}
