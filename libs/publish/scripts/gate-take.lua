-- Asks several gates at once for calls; each is a hash {remaining, reset_at, limit; closed_until, closings, strikes;
-- probing, prober}.
-- ARGV: take, or peek to count nothing yet; how many calls are wanted at most; who asks.
-- Answers {0, 0, calls let through, 1 when nothing but counts is known, then for each gate what is left and until when
-- (-1, 0: unknown)} when all are open, or {index of the closed gate, until when, now}.
-- To a script that it is a part of it also returns what counts the calls.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local gates, probe_ms = {}, 10000
local latest, closed, probed = 0, 0, 0
local granted, quiet = tonumber(ARGV[2]), 1
for index, key in ipairs(KEYS) do
  local gate = redis.call('HMGET', key, 'closed_until', 'remaining', 'reset_at', 'closings', 'probing', 'strikes')
  local until_ms = tonumber(gate[1] or '0')
  local reset_at = tonumber(gate[3] or '0')
  local counted = reset_at > now and tonumber(gate[2]) or nil
  -- A probe is on its way. Most are answered at once, and who waits asks again soon; one that is not keeps its time.
  if until_ms > now and gate[5] == gate[1] then
    local began = until_ms - probe_ms
    if now - began < 1000 then probed, until_ms = index, 0 end
  end
  if counted and counted <= 0 and reset_at > until_ms then until_ms = reset_at end
  if until_ms > now and until_ms > latest then latest, closed = until_ms, index end
  if counted then granted = math.min(granted, counted) end
  local probe = tonumber(gate[4] or '0') > 0
  if probe then granted = math.min(granted, 1) end
  if gate[1] or gate[4] or gate[6] then quiet = 0 end
  gates[index] = {counted = counted, reset_at = reset_at, probe = probe}
end
if closed > 0 then return {closed, latest, now} end
if probed > 0 then return {probed, now + 250, now} end
local answer = {0, 0, granted, quiet}
for index = 1, #KEYS do
  answer[3 + 2 * index] = gates[index].counted or -1
  answer[4 + 2 * index] = gates[index].reset_at
end
local function count()
  for index, key in ipairs(KEYS) do
    local gate = gates[index]
    if gate.counted then answer[3 + 2 * index] = redis.call('HINCRBY', key, 'remaining', -granted) end
    -- A gate that was closed by a refusal opens for one probe at a time: the others wait for its answer.
    if gate.probe then
      redis.call('HSET', key, 'closed_until', now + probe_ms, 'probing', now + probe_ms, 'prober', ARGV[3])
    end
  end
end
if ARGV[1] == 'take' then count() end
return answer, count
