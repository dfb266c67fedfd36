-- Begins each script that counts requests: the generic cell rate algorithm, in its form of a leaking bucket. The level is
-- what was let through and has not drained yet, in requests; it drains by `rate` a second and is never above `burst`.
-- Adds `weight` to it where there is room, and changes nothing where there is none.
-- Returns {1 or 0, the level that it comes to}.
local function pour(bucket, rate, burst, weight)
  local time = redis.call('TIME')
  local now = time[1] * 1e6 + time[2]
  local kept = redis.call('HMGET', bucket, 'level', 'at')
  local drained = math.max(0, now - (tonumber(kept[2]) or now)) / 1e6 * rate
  local level = math.max(0, math.min(burst, tonumber(kept[1]) or 0) - drained)
  local granted = level + weight <= burst
  if granted and weight > 0 then
    level = level + weight
    redis.call('HSET', bucket, 'level', string.format('%.17g', level), 'at', string.format('%.0f', now))
    redis.call('PEXPIRE', bucket, string.format('%.0f', math.ceil(level / rate * 1000)))
  end
  return {granted and 1 or 0, string.format('%.17g', level)}
end
