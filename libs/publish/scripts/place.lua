-- Places for the media items of one account that are in work, each with an end: what a dead worker held comes free.
-- A place to fetch is for the bytes alone, of files whose links end soon: it counts as an item, and as no post.
-- KEYS: places (hash: item -> owner@end, before it 'fetch:' where it is to fetch), those who wait (sorted set: item by
-- the order of acceptance, below 0 those who want to fetch, before all others)
-- ARGV: take | renew | leave, item as job:index, owner, lease ms, most jobs, most items, order of acceptance,
-- work | fetch
-- take answers {1, 0} for a place to work, {2, 0} for one to fetch, or {0, ms after which to ask again at the latest};
-- leave the items that may come in now.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local mode, me, owner, lease, purpose = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[8]
local most_jobs, most_items = tonumber(ARGV[5]), tonumber(ARGV[6])
local held, jobs, job_count, item_count, fetch_count, soonest = {}, {}, 0, 0, 0, now + lease
local function job_of(item) return string.match(item, '^(.*):%d+$') end
local function count(item, fetches)
  item_count = item_count + 1
  if fetches then
    fetch_count = fetch_count + 1
    return
  end
  if not jobs[job_of(item)] then job_count = job_count + 1 end
  jobs[job_of(item)] = true
end
-- One file may be fetched whatever else is in work: its link would not wait.
local function is_full(fetches) return item_count >= most_items and not (fetches and fetch_count == 0) end
local function has_room_to_work(item) return jobs[job_of(item)] or job_count < most_jobs end
local known = redis.call('HGETALL', KEYS[1])
for index = 1, #known, 2 do
  local item = known[index]
  local holder, ends = string.match(known[index + 1], '^(.*)@(%d+)$')
  local fetcher = string.match(holder, '^fetch:(.*)$')
  local place = { owner = fetcher or holder, purpose = fetcher and 'fetch' or 'work' }
  if tonumber(ends) <= now or (mode == 'leave' and item == me and place.owner == owner) then
    redis.call('HDEL', KEYS[1], item)
  else
    held[item] = place
    soonest = math.min(soonest, tonumber(ends))
    -- Who has fetched and wants to work stands in line like everybody, its own place being free for it.
    local wants_more = mode == 'take' and item == me and fetcher and purpose == 'work'
    if not wants_more then count(item, fetcher) end
  end
end
local function hold(what)
  redis.call('ZREM', KEYS[2], me)
  local holder = what == 'fetch' and 'fetch:' .. owner or owner
  redis.call('HSET', KEYS[1], me, holder .. '@' .. string.format('%.0f', now + lease))
  redis.call('PEXPIRE', KEYS[1], lease)
  return {what == 'fetch' and 2 or 1, 0}
end
local mine = held[me]
-- What is in work counts, even where its place has meanwhile gone to somebody else.
if mode == 'renew' then
  if mine and mine.owner ~= owner then return {0, 0} end
  return hold(mine and mine.purpose or purpose)
end
-- Another run takes the item over, and its place with it.
if mode == 'take' and mine and (mine.purpose == 'work' or purpose == 'fetch') then return hold(mine.purpose) end
if mode == 'take' then
  local order = purpose == 'fetch' and tonumber(ARGV[7]) - 2 ^ 53 or tonumber(ARGV[7])
  redis.call('ZADD', KEYS[2], string.format('%.0f', order), me)
  redis.call('PEXPIRE', KEYS[2], 3600000)
end
-- In the order of acceptance; those whose job has ended or moved on never come.
local admitted = {}
local waiting = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
for index = 1, #waiting, 2 do
  local item, fetches = waiting[index], tonumber(waiting[index + 1]) < 0
  if is_full(fetches) then break end
  if redis.call('HGET', 'job:' .. job_of(item), 'state') ~= 'accepted' then
    redis.call('ZREM', KEYS[2], item)
  elseif fetches or has_room_to_work(item) then
    if mode == 'take' and item == me then
      -- Who could do all the work need not ask twice, unless somebody waits for that.
      local others = redis.call('ZCOUNT', KEYS[2], 0, '+inf')
      local only_fetches = fetches and (others > 0 or is_full(false) or not has_room_to_work(item))
      return hold(only_fetches and 'fetch' or 'work')
    end
    count(item, fetches)
    admitted[#admitted + 1] = item
  end
end
if mode == 'leave' then return admitted end
return {0, soonest - now}
