-- Show what is under way, and how full budgets are; changes nothing.
--
-- {{limit, ...}}. Returns {{{id, expires_at}, ...}, {{start, end, spent, held}, ...}}, and
-- the records of the first beside it.

local names = cmsgpack.unpack(ARGV[1])[1]
local open, records, budgets = {}, {}, {}
local found = redis.call('ZRANGE', LEASES, 0, 4999, 'WITHSCORES')
for at = 1, #found, 2 do
  local record = redis.call('GET', PREFIX .. 'r:' .. found[at])
  if record then
    open[#open + 1] = {found[at], tonumber(found[at + 1])}
    records[#records + 1] = record
  end
end
for at, name in ipairs(names) do
  local budget = budget_at(name)
  budgets[at] = budget and {budget.start, budget.stop, budget.spent, budget.held}
    or false
end
return {cmsgpack.pack({open, budgets}), unpack(records)}
