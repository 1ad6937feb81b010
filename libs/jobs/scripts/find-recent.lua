-- KEYS: recent content. ARGV: its window in ms.
-- Answers the job that asking for this content again leads to, or ''.
local time = redis.call('TIME')
return repeated(KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])[1] or ''
