-- An answer waits for whoever asks again: for a while nobody of this tenant is refused here.
-- KEYS[1] what is known of the quota   ARGV[1] for how long, in ms
local now = redis.call('TIME')
redis.call('HSET', KEYS[1], 'open', string.format('%.0f', now[1] * 1000 + now[2] / 1000 + ARGV[1]))
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return 1
