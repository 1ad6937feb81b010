-- Has a post called when its turn has come, if others of its account go before it.
-- KEYS: record
-- ARGV: job id, ms for which it is kept that it waits
-- Answers 1: it waits and will be called; 0: nobody goes before it, it is not among those that could be sent, or the first
-- of them is kept from being sent, and what keeps that one this one has to find out as well.
local record = redis.call('HMGET', KEYS[1], 'account', 'sequence')
if not record[1] or not redis.call('ZSCORE', 'lane:' .. record[1], ARGV[1]) then return 0 end
local waits, first_is_kept = has_to_wait(record[1], record[2], ARGV[1], ARGV[2])
return waits and not first_is_kept and 1 or 0
