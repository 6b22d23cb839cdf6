-- Put what was used in the place of what was taken, or give all of it back.
--
-- {now, id, used, late}: used is {requests, tokens, parallel, cost}, false for what is
-- not known. A late one is heard even if it ran out. Returns false if it was not open,
-- else what its budgets are now: {{limit, start, end, spent}, ...}.

local given, id, used, late = unpack(cmsgpack.unpack(ARGV[1]))
local now = moment(given)
local record = redis.call('GET', PREFIX .. 'r:' .. id)
if record then
  redis.call('DEL', PREFIX .. 'r:' .. id)
  redis.call('ZREM', LEASES, id)
elseif late then
  record = redis.call('GET', PREFIX .. 'x:' .. id)
  if record then
    redis.call('DEL', PREFIX .. 'x:' .. id)
    for _, took in ipairs(cmsgpack.unpack(record)[3]) do
      reopen(took)
    end
  end
end
if not record then
  return {cmsgpack.pack(false)}
end
local budgets = {}
for _, took in ipairs(cmsgpack.unpack(record)[3]) do
  settle(took, used[took[2] + 1] or nil, now)
  local budget = took[2] == COST and budget_at(took[1])
  if budget then
    budgets[#budgets + 1] = {took[1], budget.start, budget.stop, budget.spent}
  end
end
return {cmsgpack.pack(budgets)}
