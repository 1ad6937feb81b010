-- Of jobs with the same content, the newest first, those that make asking again a repetition: accepted within `window` ms
-- before `now`, and on X or still to appear there. What failed or was canceled is not, but for what of a thread had been
-- published by then. The key `recent` has the newest, all that earlier versions know, and another key those before it.
local function others_of(recent) return recent .. ':others' end
local function repeated(recent, now, window)
  local known = (redis.call('GET', recent) or '') .. ' ' .. (redis.call('GET', others_of(recent)) or '')
  local jobs = {}
  for id in string.gmatch(known, '%S+') do
    local job = redis.call('HMGET', 'job:' .. id, 'state', 'tweets', 'accepted_at')
    local has_ended_off = (job[1] == 'failed' or job[1] == 'canceled') and (job[2] or '') == ''
    if job[1] and not has_ended_off and tonumber(job[3]) > now - window then jobs[#jobs + 1] = id end
  end
  return jobs
end
