-- Of jobs with the same content (`known`: their ids, the newest first) those that make asking again a repetition: accepted
-- within `window` ms before `now`, and on X or still to appear there. What failed or was canceled is not, but for what of
-- a thread had been published by then.
local function repeated(known, now, window)
  local jobs = {}
  for id in string.gmatch(known or '', '%S+') do
    local job = redis.call('HMGET', 'job:' .. id, 'state', 'tweets', 'accepted_at')
    local has_ended_off = (job[1] == 'failed' or job[1] == 'canceled') and (job[2] or '') == ''
    if job[1] and not has_ended_off and tonumber(job[3]) > now - window then jobs[#jobs + 1] = id end
  end
  return jobs
end
