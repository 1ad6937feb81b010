-- Takes a job that cannot be read from among the posts of its account.
-- KEYS: record
-- ARGV: job id
-- Answers {id of the job whose turn it is now or '', open jobs of the account}.
local account = redis.call('HGET', KEYS[1], 'account')
if not account then return {'', 0} end
return {leave_lane(account, ARGV[1])}
