-- The way out: keep the answer for replay; take back, or leave, the note that the tenant is full.
-- KEYS[1] the answer   KEYS[2] the note   ARGV[1] the answer or ''   ARGV[2] its life in ms
-- ARGV[3] 'freed' | 'full' | 'same'       ARGV[4] the note           ARGV[5] its life in ms
if ARGV[1] ~= '' then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
if ARGV[3] == 'freed' then redis.call('DEL', KEYS[2]) end
if ARGV[3] == 'full' then redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[5]) end
return 1
