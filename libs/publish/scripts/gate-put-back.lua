-- Takes back what gate-take counted for a call that was not made.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, key in ipairs(KEYS) do
  local gate = redis.call('HMGET', key, 'remaining', 'reset_at')
  if gate[1] and tonumber(gate[2] or '0') > now then redis.call('HINCRBY', key, 'remaining', 1) end
end
return 1
