-- Takes a job that cannot be read from among the posts of its account.
-- KEYS: record
-- ARGV: job id
-- Answers {id of the job whose turn it is now or '', open jobs of the account}.
local account = redis.call('HGET', KEYS[1], 'account')
local following = account and leave_lane(account, ARGV[1]) or ''
return {following, following ~= '' and redis.call('SCARD', 'open:' .. account) or 0}
