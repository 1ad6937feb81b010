-- Has a post called when its turn has come, if others of its account go before it.
-- KEYS: record
-- ARGV: job id, ms for which it is kept that it waits
-- Answers 1: it waits and will be called; 0: nobody goes before it, or it is not among those that could be sent.
local record = redis.call('HMGET', KEYS[1], 'account', 'sequence')
if not record[1] or not redis.call('ZSCORE', 'lane:' .. record[1], ARGV[1]) then return 0 end
return has_to_wait(record[1], record[2], ARGV[1], ARGV[2]) and 1 or 0
