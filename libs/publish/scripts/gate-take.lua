-- Asks several gates at once for one call; each is a hash {closed_until, remaining, reset_at, probing}.
-- ARGV: take, or peek to count nothing.
-- Answers {0, 0} when all are open (and counts the call), or {index of the closed gate, until when}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local latest, closed = 0, 0
local gates = {}
for index, key in ipairs(KEYS) do
  local gate = redis.call('HMGET', key, 'closed_until', 'remaining', 'reset_at', 'closings')
  local until_ms = tonumber(gate[1] or '0')
  local reset_at = tonumber(gate[3] or '0')
  if reset_at > now and tonumber(gate[2] or '1') <= 0 and reset_at > until_ms then until_ms = reset_at end
  if until_ms > now and until_ms > latest then latest, closed = until_ms, index end
  gates[index] = {closings = tonumber(gate[4] or '0'), counted = reset_at > now and gate[2]}
end
if closed > 0 then return {closed, latest} end
if ARGV[1] == 'peek' then return {0, 0} end
for index, key in ipairs(KEYS) do
  if gates[index].counted then redis.call('HINCRBY', key, 'remaining', -1) end
  -- A gate that was closed by a refusal opens for one probe at a time: the others wait for its answer.
  if gates[index].closings > 0 then redis.call('HSET', key, 'closed_until', now + 10000) end
end
return {0, 0}
