-- What is counted for one limit. Stands before each of the other scripts.
--
-- This is byok/core/limits in another language: the same rules, with the counts in
-- the server. Keys have one hash tag, so all of them are in one slot:
--
--   PREFIX w:<limit>   a rate: number of a tenth of the window -> what it counts
--                      requests at once: how many leases are held
--                      a budget: start, end, spent, held
--   PREFIX r:<id>      an open reservation, packed: since, owner, what it took
--   PREFIX x:<id>      the same of one that ran out, for whoever comes back for it
--   PREFIX memory     a name, which whoever came first gave
--   PREFIX leases      ids of what is open -> when it runs out
--
-- What a reservation took: {limit, metric, grant, mark, beside}. The mark is the tenth
-- or the start of the period that it is counted in; beside it stands the length of the
-- window or the end of the period.

local PARTS = 10
local PREFIX = KEYS[1]
local LEASES = PREFIX .. 'leases'
local REQUESTS, TOKENS, PARALLEL, COST = 0, 1, 2, 3
local FOREVER = math.huge
-- What nobody touches for a day, or a month for a budget without an end, is gone.
local DAY_S, MONTH_S, GONE_S = 86400, 40 * 86400, 3600

local function text(number)
  if number == 0 then
    return '0'
  end
  return string.format('%.17g', number)
end

local function moment(given)
  if given then
    return given
  end
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000
end

-- The key of what is counted for the limit `name`.
local function of(name)
  return PREFIX .. 'w:' .. name
end

local function keep(key, seconds)
  redis.call('PEXPIRE', key, text(math.ceil(seconds * 1000)))
end

-- As Python's `//` is for floats.
local function floordiv(a, b)
  local rest = math.fmod(a, b)
  local quotient = (a - rest) / b
  if rest ~= 0 and (b < 0) ~= (rest < 0) then
    quotient = quotient - 1
  end
  local floor = math.floor(quotient)
  if quotient - floor > 0.5 then
    floor = floor + 1
  end
  return floor
end

-- Rates ---------------------------------------------------------------------------

local function rate(name, window_s, now)
  local key = of(name)
  local part_s = window_s / PARTS
  local newest = floordiv(now, part_s)
  local fields = redis.call('HGETALL', key)
  local counts, total = {}, 0
  for at = 1, #fields, 2 do
    local part = tonumber(fields[at])
    counts[part] = tonumber(fields[at + 1])
    if part > newest then
      newest = part
    end
  end
  for part, count in pairs(counts) do
    if part < newest - PARTS then
      redis.call('HDEL', key, text(part))
      counts[part] = nil
    else
      total = total + count
    end
  end
  return {part_s = part_s, newest = newest, counts = counts, total = total}
end

local function rate_wait(found, units, need, window_s, now)
  local parts = {}
  for part in pairs(found.counts) do
    parts[#parts + 1] = part
  end
  table.sort(parts)
  local total = found.total
  for _, part in ipairs(parts) do
    total = total - found.counts[part]
    if units - total >= need then
      return math.max(0, (part + PARTS + 1) * found.part_s - now)
    end
  end
  return window_s
end

local function rate_add(name, part, count, window_s)
  local key = of(name)
  redis.call('HINCRBY', key, text(part), text(count))
  keep(key, window_s / PARTS * (PARTS + 2))
end

-- Budgets -------------------------------------------------------------------------

-- The first of a month, counted from year 0, as a day: proleptic, in UTC.
local function month_start(number)
  local year = math.floor(number / 12)
  local month = number - year * 12 + 1
  if year < 1 then
    year = 1
  end
  if month <= 2 then
    year = year - 1
  end
  local era = math.floor(year / 400)
  local yoe = year - era * 400
  local shifted = month > 2 and month - 3 or month + 9
  local doy = math.floor((153 * shifted + 2) / 5)
  local doe = yoe * 365 + math.floor(yoe / 4) - math.floor(yoe / 100) + doy
  return (era * 146097 + doe - 719468) * DAY_S
end

local function month_of(now)
  local days = math.floor(now / DAY_S) + 719468
  local era = math.floor(days / 146097)
  local doe = days - era * 146097
  local yoe = math.floor(
    (doe - math.floor(doe / 1460) + math.floor(doe / 36524)
      - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local shifted = math.floor((5 * doy + 2) / 153)
  local month = shifted < 10 and shifted + 3 or shifted - 9
  local year = yoe + era * 400
  if month <= 2 then
    year = year + 1
  end
  return year * 12 + month - 1
end

local function aligned(now, length, anchor)
  local start = anchor + floordiv(now - anchor, length) * length
  return start, start + length
end

local function span(kind, length, anchor, now)
  if kind == 'day' then
    return aligned(now, DAY_S, 0)
  elseif kind == 'week' then
    return aligned(now, 7 * DAY_S, 4 * DAY_S)
  elseif kind == 'months' then
    local first = floordiv(month_of(now), length) * length
    return month_start(first), month_start(first + length)
  elseif kind == 'every' then
    return aligned(now, length, anchor)
  elseif kind == 'first use' then
    return now, now + length
  end
  return 0, FOREVER
end

local function budget_at(name)
  local found = redis.call('HMGET', of(name), 'start', 'end', 'spent', 'held')
  if not found[1] then
    return nil
  end
  return {
    start = tonumber(found[1]),
    stop = found[2] == 'never' and FOREVER or tonumber(found[2]),
    spent = tonumber(found[3] or '0'),
    held = tonumber(found[4] or '0'),
  }
end

local function budget_put(name, budget, now)
  local key = of(name)
  redis.call('HSET', key, 'start', text(budget.start),
    'end', budget.stop == FOREVER and 'never' or text(budget.stop),
    'spent', text(budget.spent), 'held', text(budget.held))
  if budget.stop == FOREVER then
    keep(key, MONTH_S)
  else
    keep(key, math.max(budget.stop - now, 0) + GONE_S)
  end
end

-- Reservations --------------------------------------------------------------------

-- Put `actual` in the place of what was taken; nil is that all of it was used.
local function settle(took, actual, now)
  local name, metric, grant, mark = took[1], took[2], took[3], took[4]
  if metric == PARALLEL then
    if redis.call('DECRBY', of(name), text(grant)) <= 0 then
      redis.call('DEL', of(name))
    end
  elseif metric == COST then
    local budget = budget_at(name)
    if budget and budget.start == mark then
      redis.call('HINCRBY', of(name), 'held', text(-grant))
      redis.call('HINCRBY', of(name), 'spent', text(actual or grant))
    end
  elseif actual and actual ~= grant then
    local found = rate(name, took[5], now)
    if actual > grant then
      rate_add(name, found.newest, actual - grant, took[5])
    elseif found.counts[mark] then
      redis.call('HINCRBY', of(name), text(mark), text(actual - grant))
    end
  end
end

-- Undo what running out did: it is under way again.
local function reopen(took)
  local name, metric, grant, mark = took[1], took[2], took[3], took[4]
  if metric == PARALLEL then
    redis.call('INCRBY', of(name), text(grant))
    keep(of(name), DAY_S)
  elseif metric == COST then
    local budget = budget_at(name)
    if budget and budget.start == mark then
      redis.call('HINCRBY', of(name), 'spent', text(-grant))
      redis.call('HINCRBY', of(name), 'held', text(grant))
    end
  end
end

-- Take again what a server that forgot it had given.
local function adopt(took, now)
  local name, metric, grant, mark, beside = unpack(took)
  if metric == PARALLEL then
    redis.call('INCRBY', of(name), text(grant))
    keep(of(name), DAY_S)
  elseif metric == COST then
    local budget = budget_at(name)
    if not budget and now < beside then
      budget_put(name, {start = mark, stop = beside, spent = 0, held = grant}, now)
    elseif budget and budget.start == mark then
      redis.call('HINCRBY', of(name), 'held', text(grant))
    end
  else
    local found = rate(name, beside, now)
    if mark >= found.newest - PARTS then
      rate_add(name, mark, grant, beside)
    end
  end
end

-- Take as used what nobody settled or renewed in time.
local function expire(now)
  local due = redis.call('ZRANGEBYSCORE', LEASES, '-inf', text(now), 'LIMIT', 0, 1000)
  for _, id in ipairs(due) do
    local record = redis.call('GET', PREFIX .. 'r:' .. id)
    redis.call('ZREM', LEASES, id)
    if record then
      for _, took in ipairs(cmsgpack.unpack(record)[3]) do
        settle(took, nil, now)
      end
      redis.call('DEL', PREFIX .. 'r:' .. id)
      redis.call('SET', PREFIX .. 'x:' .. id, record, 'EX', GONE_S)
    end
  end
end

local function hold(id, record, until_s)
  redis.call('SET', PREFIX .. 'r:' .. id, record, 'EX', DAY_S)
  redis.call('ZADD', LEASES, text(until_s), id)
  keep(LEASES, DAY_S)
end
