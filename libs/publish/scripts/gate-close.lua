-- Writes what an answer of X says into one gate.
-- KEYS: gate, index of the gates whose window is known
-- ARGV: mode, time or count, number, number
--   until T          refused: closed until T, then one probe at a time until an answer opens it
--   remaining T N L  N calls of L are left until T; the answer also ends a probe
--   back_off 0 A B   refused without a time: closed for A, doubling up to B
--   strike N A B     a failure: the Nth in a row closes it as back_off does
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local key, mode = KEYS[1], ARGV[1]
local first, second, third = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local day = 86400000
local function back_off(base, most)
  local closings = redis.call('HINCRBY', key, 'closings', 1)
  redis.call('HSET', key, 'closed_until', now + math.min(most, base * 2 ^ math.min(closings - 1, 10)))
  redis.call('PEXPIRE', key, day)
end
if mode == 'until' then
  local known = tonumber(redis.call('HGET', key, 'closed_until') or '0')
  redis.call('HSET', key, 'closed_until', math.max(known, first), 'closings', 1)
  redis.call('PEXPIRE', key, math.max(first - now, 0) + day)
  redis.call('ZADD', KEYS[2], first, key)
elseif mode == 'remaining' then
  local gate = redis.call('HMGET', key, 'reset_at', 'remaining', 'closings')
  -- Answers overtake each other: within one window the lowest count is the latest.
  local same = gate[1] and math.abs(tonumber(gate[1]) - first) < 5000 and tonumber(gate[1]) > now
  -- Most answers only repeat what was counted when the call was let through: then there is nothing to make durable.
  if same and gate[2] and tonumber(gate[2]) <= second and second - tonumber(gate[2]) <= 40 and not gate[3] then return 1 end
  -- Calls that are on their way explain a small difference; a large one is a count that went wrong.
  if same and gate[2] and second - tonumber(gate[2]) > 40 then same = false end
  local remaining = same and gate[2] and math.min(tonumber(gate[2]), second) or second
  redis.call('HSET', key, 'reset_at', first, 'remaining', remaining, 'limit', third)
  redis.call('HDEL', key, 'closings', 'closed_until')
  redis.call('PEXPIRE', key, math.max(first - now, 1000))
  -- For insight alone; gates whose window is over leave the index here, so that it never outgrows those in use.
  redis.call('ZADD', KEYS[2], first, key)
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
elseif mode == 'back_off' then
  back_off(second, third)
elseif mode == 'strike' then
  local strikes = redis.call('HINCRBY', key, 'strikes', 1)
  redis.call('PEXPIRE', key, day)
  if strikes >= first then back_off(second, third) end
end
return 1
