-- The way out: keep the answer for replay; note what the quota is at this revision, unless a later one is known.
-- KEYS[1] the answer   KEYS[2] what is known of the quota   ARGV[1] the answer or ''   ARGV[2] its life in ms
-- ARGV[3] the revision, 'later' than any known, or ''   ARGV[4] the note that it is full, or ''   ARGV[5] the note's life in ms
-- ARGV[6] the life in ms of the revision
if ARGV[1] ~= '' then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
if ARGV[3] == '' then return 1 end
local known = redis.call('HGET', KEYS[2], 'revision')
local revision = ARGV[3] == 'later' and (tonumber(known or 0)) + 1 or tonumber(ARGV[3])
if known and tonumber(known) > revision then return 1 end
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[2], 'full')
  redis.call('HSET', KEYS[2], 'revision', string.format('%.0f', revision))
else
  local now = redis.call('TIME')
  redis.call('HSET', KEYS[2], 'revision', string.format('%.0f', revision), 'full', ARGV[4],
             'until', string.format('%.0f', now[1] * 1000 + now[2] / 1000 + ARGV[5]))
end
redis.call('PEXPIRE', KEYS[2], ARGV[6])
return 1
