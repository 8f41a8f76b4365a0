"""What Redis does in one go, so that an entry is never half there.

Vectors are searched outside of scripts: `VSIM` then works on other threads than the one that serves
everybody (docs/decisions/0017). A member of the table of values is
`<prefix of the scope>\\t<fingerprint>`: one table bounds all scopes of a tenant.
"""

# KEYS: values, answer, cited…   ARGV: member, most entries, entry as JSON, keep_ms, versions…
# A newcomer starts at the value of the last one that had to go: LFU with dynamic ageing (Arlitt et
# al. 2000), so that yesterday's favourites do not stay for ever.
REMEMBER = """
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  local floor = 0
  while redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) do
    local least = redis.call('ZPOPMIN', KEYS[1])
    local prefix, name = string.match(least[1], '^(.*)\\t(.-)$')
    redis.call('DEL', prefix .. ':a:' .. name)
    redis.call('VREM', prefix .. ':v', name)
    floor = tonumber(least[2])
  end
  if floor == 0 then
    local least = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
    floor = tonumber(least[2] or 1) - 1
  end
  redis.call('ZADD', KEYS[1], floor + 1, ARGV[1])
end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
for i = 3, #KEYS do
  redis.call('HSET', KEYS[i], ARGV[1], ARGV[i + 2])
  redis.call('HPEXPIRE', KEYS[i], ARGV[4], 'FIELDS', 1, ARGV[1])
end
"""

# KEYS: values   ARGV: member…   Drops what is left of entries whose answer's time is over.
SWEEP = """
local gone = 0
for _, member in ipairs(ARGV) do
  local prefix, name = string.match(member, '^(.*)\\t(.-)$')
  if redis.call('EXISTS', prefix .. ':a:' .. name) == 0 then
    redis.call('VREM', prefix .. ':v', name)
    gone = gone + redis.call('ZREM', KEYS[1], member)
  end
end
return gone
"""

# KEYS: counts   ARGV: member, most members, keep_s. Space-Saving (Metwally et al. 2005): a newcomer
# takes over the count of the rarest, so that frequent ones are never missed, however long the tail.
COUNT = """
local floor = 0
if redis.call('ZSCORE', KEYS[1], ARGV[1]) == false
    and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  floor = tonumber(redis.call('ZPOPMIN', KEYS[1])[2])
end
redis.call('ZINCRBY', KEYS[1], floor + 1, ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
"""
