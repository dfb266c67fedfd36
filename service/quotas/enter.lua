-- The way in: is this a replay, is it within the tenant's rate, is the tenant known to be full? After gcra.lua.
-- KEYS[1] the stored answer of this key ('' suffix for a request without one)   KEYS[2] what is known of the quota
-- KEYS[3] the tenant's bucket
-- ARGV[1] the highest revision of the quota that the caller knows; what is known here of an older one is stale
-- ARGV[2] the tenant's rate, in requests a second, or ''   ARGV[3] its burst
-- Returns {'answer', stored} | {'full', note} | {'go', ''}, and behind it {1 or 0, level} where there is a rate. A replay
-- counts as no request.
local answer = redis.call('GET', KEYS[1])
local turn
if ARGV[2] ~= '' then turn = pour(KEYS[3], tonumber(ARGV[2]), tonumber(ARGV[3]), answer and 0 or 1) end
if answer then return {'answer', answer, turn} end
local known = redis.call('HMGET', KEYS[2], 'revision', 'full', 'until', 'open')
if not known[2] then return {'go', '', turn} end
local now = redis.call('TIME')
if tonumber(known[1]) < tonumber(ARGV[1]) or now[1] * 1000 + now[2] / 1000 >= tonumber(known[3]) then
  redis.call('HDEL', KEYS[2], 'full')
  return {'go', '', turn}
end
-- An answer that was not delivered may be this caller's: Postgres knows.
if known[4] and now[1] * 1000 + now[2] / 1000 < tonumber(known[4]) then return {'go', '', turn} end
return {'full', known[2], turn}
