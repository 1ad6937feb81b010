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

-- Answers whose turn it is after that, if that one is to be called; otherwise ''.
local function leave_lane(account, id)
  local lane = 'lane:' .. account
  local called = lane .. ':called'
  if redis.call('ZREM', lane, id) == 0 then return '' end
  redis.call('SREM', called, id)
  local head = redis.call('ZRANGE', lane, 0, 0)[1]
  return head and redis.call('SREM', called, head) == 1 and head or ''
end

-- Whose turn it is once `id` has left, ever so long ago; '' while it has not. For an answer of `leave_lane` that was lost.
local function head_after(account, id)
  local lane = 'lane:' .. account
  return not redis.call('ZSCORE', lane, id) and redis.call('ZRANGE', lane, 0, 0)[1] or ''
end

