-- Writes down what one answer of X, or its absence, says about several gates.
-- KEYS: index of the gates whose window is known, then the gates
-- ARGV: for each gate mode, time in ms from now or count, number, number
--   until T 0 0      refused: closed until T, then one probe at a time until an answer opens it
--   remaining T N L  N calls of L are left until T; the answer also ends a probe
--   passed 0 0 0     X let the call pass, and told no count: that ends a probe as well
--   back_off 0 A B   refused without a time: closed for A, doubling up to B
--   strike N A B     a failure: the Nth in a row closes it as back_off does
--   open 0 0 0       X answers: nothing stands in the way
--   paid 0 0 0       X took a call that it bills
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local day = 86400000

-- Closed, and no probe is on its way: what is answered now was asked before the gate closed, and says nothing new.
local function answers_from_before(key)
  local gate = redis.call('HMGET', key, 'closed_until', 'probing')
  return tonumber(gate[1] or '0') > now and gate[1] ~= gate[2]
end

local function back_off(key, base, most)
  if answers_from_before(key) then return end
  local closings = redis.call('HINCRBY', key, 'closings', 1)
  redis.call('HSET', key, 'closed_until', now + math.min(most, base * 2 ^ math.min(closings - 1, 10)))
  redis.call('HDEL', key, 'probing', 'prober')
  redis.call('PEXPIRE', key, day)
end

local function remember(key, time_ms)
  -- For insight alone; gates whose window is over leave the index here, so that it never outgrows those in use.
  redis.call('ZADD', KEYS[1], time_ms, key)
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
end

local modes = {}
modes['until'] = function(key, in_ms)
  local time_ms = now + in_ms
  local gate = redis.call('HMGET', key, 'closed_until', 'probing')
  -- What was kept for a probe is no word of X.
  local known = gate[1] ~= gate[2] and tonumber(gate[1] or '0') or 0
  redis.call('HSET', key, 'closed_until', math.max(known, time_ms), 'closings', 1)
  redis.call('HDEL', key, 'probing', 'prober')
  redis.call('PEXPIRE', key, math.max(time_ms - now, 0) + day)
  remember(key, time_ms)
end
modes['remaining'] = function(key, in_ms, count, limit)
  local time_ms = now + in_ms
  local gate = redis.call('HMGET', key, 'reset_at', 'remaining', 'closings')
  -- Answers overtake each other: within one window the lowest count is the latest.
  local same = gate[1] and math.abs(tonumber(gate[1]) - time_ms) < 5000 and tonumber(gate[1]) > now
  -- Most answers only repeat what was counted when the call was let through: then there is nothing to make durable.
  if same and gate[2] and tonumber(gate[2]) <= count and count - tonumber(gate[2]) <= 40 and not gate[3] then return end
  if gate[3] and answers_from_before(key) then return end
  -- Calls that are on their way explain a small difference; a large one is a count that went wrong.
  if same and gate[2] and count - tonumber(gate[2]) > 40 then same = false end
  local remaining = same and gate[2] and math.min(tonumber(gate[2]), count) or count
  redis.call('HSET', key, 'reset_at', time_ms, 'remaining', remaining, 'limit', limit)
  redis.call('HDEL', key, 'closings', 'closed_until', 'probing', 'prober')
  redis.call('PEXPIRE', key, math.max(time_ms - now, 1000))
  remember(key, time_ms)
end
modes['passed'] = function(key)
  if redis.call('HEXISTS', key, 'closings') == 1 and not answers_from_before(key) then
    redis.call('HDEL', key, 'closings', 'closed_until', 'probing', 'prober')
  end
end
modes['back_off'] = function(key, _, base, most) back_off(key, base, most) end
modes['strike'] = function(key, first, base, most)
  local strikes = redis.call('HINCRBY', key, 'strikes', 1)
  redis.call('PEXPIRE', key, day)
  if strikes >= first then back_off(key, base, most) end
end
modes['open'] = function(key) redis.call('DEL', key) end
modes['paid'] = function(key)
  if not answers_from_before(key) then redis.call('DEL', key) end
end

for index = 2, #KEYS do
  local at = (index - 2) * 4
  modes[ARGV[at + 1]](KEYS[index], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]))
end
return 1
