-- Let reservations last whose requests are under way, also those that ran out or
-- were forgotten meanwhile.
--
-- {now, lease_s, revives, {id, ...}}, and the record of each beside it. Returns for each
-- whether it was open; with `revives` all are afterwards.

local given, lease_s, revives, asked = unpack(cmsgpack.unpack(ARGV[1]))
local now = moment(given)
local was_open = {}
for at, id in ipairs(asked) do
  local known = ARGV[at + 1]
  local record = redis.call('GET', PREFIX .. 'r:' .. id)
  was_open[at] = record and true or false
  if record then
    for _, took in ipairs(cmsgpack.unpack(record)[3]) do
      if took[2] == PARALLEL then
        keep(of(took[1]), DAY_S)
      end
    end
    hold(id, record, now + lease_s)
  elseif revives then
    record = redis.call('GET', PREFIX .. 'x:' .. id)
    redis.call('DEL', PREFIX .. 'x:' .. id)
    for _, took in ipairs(cmsgpack.unpack(record or known)[3]) do
      if record then
        reopen(took)
      else
        adopt(took, now)
      end
    end
    hold(id, record or known, now + lease_s)
  end
end
return {cmsgpack.pack(was_open)}
