-- Take what a request asks of all its limits, or nothing of any.
--
-- {now, lease_s, id, owner, limits}, and of each limit
-- {limit, metric, want, units, window_s} or for a budget
-- {limit, metric, want, units, hard, soft, kind, length, anchor, seed}, where the seed is
-- what the asking gateway knows of a budget that is not known here: {start, end, spent}.
--
-- Returns {1, now, soft, budgets} and the record beside it, or {0, now, refusing}, or
-- {-1} for an id that is open.

local given, lease_s, id, owner, limits = unpack(cmsgpack.unpack(ARGV[1]))
local now = moment(given)
expire(now)
if redis.call('EXISTS', PREFIX .. 'r:' .. id) == 1 then
  return {cmsgpack.pack({-1})}
end

local function begun(limit)
  local start, stop = span(limit[7], limit[8], limit[9], now)
  local seed, spent = limit[10], 0
  if seed and seed[1] <= now and now < (seed[2] or FOREVER) then
    start, stop, spent = seed[1], seed[2] or FOREVER, seed[3]
  end
  return {start = start, stop = stop, spent = spent, held = 0}
end

local granted, refusing = {}, {}
for at, limit in ipairs(limits) do
  local name, metric, want, units = limit[1], limit[2], limit[3], limit[4]
  local grant, wait, is_held = want, nil, false
  if metric == PARALLEL then
    if tonumber(redis.call('GET', of(name)) or '0') + want > units then
      wait = 1
    end
    granted[at] = {grant = grant, mark = 0, beside = 0}
  elseif metric == COST then
    local budget = budget_at(name)
    if not budget or now >= budget.stop then
      budget = begun(limit)
    end
    if limit[5] then
      local left = units - budget.spent - budget.held
      if left <= 0 then
        wait = math.max(0, budget.stop - now)
        is_held = budget.spent < units
      elseif want > left then
        grant = left
      end
    end
    granted[at] = {
      grant = grant, mark = budget.start, beside = budget.stop, budget = budget}
  else
    local found = rate(name, limit[5], now)
    local left = units - found.total
    if want > left then
      if metric == TOKENS and left > 0 then
        grant = left
      else
        local need = metric == TOKENS and 1 or want
        wait = rate_wait(found, units, need, limit[5], now)
      end
    end
    granted[at] = {grant = grant, mark = found.newest, beside = limit[5]}
  end
  if wait then
    refusing[#refusing + 1] = {at - 1, wait == FOREVER and -1 or wait, is_held}
  end
end
if #refusing > 0 then
  return {cmsgpack.pack({0, now, refusing})}
end

local took, soft, budgets = {}, {}, {}
for at, limit in ipairs(limits) do
  local name, metric, given_now = limit[1], limit[2], granted[at]
  if metric == PARALLEL then
    redis.call('INCRBY', of(name), text(given_now.grant))
    keep(of(name), DAY_S)
  elseif metric == COST then
    local budget = given_now.budget
    budget.held = budget.held + given_now.grant
    budget_put(name, budget, now)
    if limit[6] and budget.spent + budget.held >= limit[6] then
      soft[#soft + 1] = at - 1
    end
    budgets[#budgets + 1] = {name, budget.start, budget.stop, budget.spent}
  else
    rate_add(name, given_now.mark, given_now.grant, limit[5])
  end
  took[at] = {name, metric, given_now.grant, given_now.mark, given_now.beside}
end
local record = cmsgpack.pack({now, owner, took})
hold(id, record, now + lease_s)
return {cmsgpack.pack({1, now, soft, budgets}), record}
