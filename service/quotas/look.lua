-- What the level is; nothing is counted. After gcra.lua.
-- KEYS[1] the bucket   ARGV[1] its rate, in requests a second   ARGV[2] its burst
-- Returns {1, level}.
return pour(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), 0)
