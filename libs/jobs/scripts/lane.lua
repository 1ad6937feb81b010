-- The posts of one account go out one at a time, in the order of their acceptance: its lane holds those that could.
-- Beside it is the set of those that sleep until they are called. These functions go before the scripts that need them.

local function join_lane(account, sequence, id) redis.call('ZADD', 'lane:' .. account, sequence, id) end

-- Joins it. Answers whether others go before, when whoever takes the last of them out of the lane calls this one; and
-- whether the first of them is kept by more than its turn.
local function has_to_wait(account, sequence, id, kept_ms)
  join_lane(account, sequence, id)
  local lane = 'lane:' .. account
  local called = lane .. ':called'
  while true do
    local head = redis.call('ZRANGE', lane, 0, 0)[1]
    if head == id then return false, false end
    local other = redis.call('HMGET', 'job:' .. head, 'state', 'account', 'wait_reason')
    local may_go = other[1] == 'accepted' or other[1] == 'ready' or other[1] == 'sending'
    if may_go and other[2] == account then
      if redis.call('SADD', called, id) == 1 then redis.call('PEXPIRE', called, kept_ms) end
      return true, other[3] and other[3] ~= ''
    end
    redis.call('ZREM', lane, head)
    redis.call('SREM', called, head)
  end
end

-- A job that is to be called, or '', and how many open jobs its account has.
local function called_of(account, id) return id, id ~= '' and redis.call('SCARD', 'open:' .. account) or 0 end

-- Answers whose turn it is after that, if that one sleeps, as `called_of` says.
local function leave_lane(account, id)
  local lane = 'lane:' .. account
  local called = lane .. ':called'
  if redis.call('ZREM', lane, id) == 0 then return called_of(account, '') end
  redis.call('SREM', called, id)
  local head = redis.call('ZRANGE', lane, 0, 0)[1]
  return called_of(account, head and redis.call('SREM', called, head) == 1 and head or '')
end

-- The same for an answer of `leave_lane` that was lost: once `id` has left, whose turn it is now.
local function head_after(account, id)
  local lane = 'lane:' .. account
  return called_of(account, not redis.call('ZSCORE', lane, id) and redis.call('ZRANGE', lane, 0, 0)[1] or '')
end

