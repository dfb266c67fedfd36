-- One request more, of any kind but a create. After gcra.lua.
-- KEYS[1] the tenant's bucket   ARGV[1] its rate, in requests a second   ARGV[2] its burst
-- Returns {1 or 0, level}.
return pour(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), 1)
