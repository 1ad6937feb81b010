-- Takes back what gate-take counted for calls that were not made.
-- KEYS: the gates that were asked · ARGV: how many calls, who asked for them, then for each gate until when the window is
-- in which they were counted (0: in none)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for index, key in ipairs(KEYS) do
  local gate = redis.call('HMGET', key, 'remaining', 'reset_at', 'limit', 'closed_until', 'probing', 'prober')
  local reset_at, counted_in = tonumber(gate[2] or '0'), tonumber(ARGV[index + 2] or '0')
  -- A new window has begun full, and what was let through before its first answer was not counted.
  if gate[1] and reset_at > now and math.abs(reset_at - counted_in) < 5000 then
    local most = math.max(tonumber(gate[3] or '0'), tonumber(gate[1]))
    redis.call('HSET', key, 'remaining', math.min(most, tonumber(gate[1]) + tonumber(ARGV[1])))
  end
  -- It was the probe: the next one need not wait for its answer.
  if gate[5] and gate[5] == gate[4] and gate[6] == ARGV[2] then
    redis.call('HSET', key, 'closed_until', now)
    redis.call('HDEL', key, 'probing', 'prober')
  end
end
return 1
