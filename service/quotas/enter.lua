-- The way in: is this a replay, or is the tenant known to be full?
-- KEYS[1] the stored answer of this key ('' suffix for a request without one)   KEYS[2] the note that the tenant is full
-- Returns {'answer', stored} | {'full', note} | {'go'}.
local answer = redis.call('GET', KEYS[1])
if answer then return {'answer', answer} end
local full = redis.call('GET', KEYS[2])
if full then return {'full', full} end
return {'go'}
