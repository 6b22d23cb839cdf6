-- Say since when the server knows what it knows: a name that it forgets with the rest.
--
-- {name}. Returns the name that was given first.

local name = cmsgpack.unpack(ARGV[1])[1]
redis.call('SET', PREFIX .. 'memory', name, 'NX')
return {redis.call('GET', PREFIX .. 'memory')}
