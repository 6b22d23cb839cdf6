-- Take up what somebody else knows was spent of budgets.
--
-- {now, {{limit, start, end, spent}, ...}}. The ledger is written later
-- than this: what it does not know yet stays counted.

local given, saved = unpack(cmsgpack.unpack(ARGV[1]))
local now = moment(given)
for _, each in ipairs(saved) do
  local name, start, stop, spent = each[1], each[2], each[3] or FOREVER, each[4]
  local budget = budget_at(name)
  if budget and budget.start == start then
    if spent > budget.spent then
      redis.call('HSET', of(name), 'spent', text(spent))
    end
  elseif (not budget or budget.start < start) and now < stop then
    budget_put(name, {start = start, stop = stop, spent = spent, held = 0}, now)
  end
end
return {cmsgpack.pack(true)}
