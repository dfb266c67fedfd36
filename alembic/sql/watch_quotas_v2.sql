-- Which limits of tenants on numbers held and on spending are used to 80 % or in full: noted while it is so, and told
-- to the tenant as it comes to be so. `price`: what a purchase is reckoned at, in micro-units. Answers those that came.
-- Whoever calls it holds the lock of those who do, so that nobody else notes meanwhile.
-- Each that is noted is looked up by its key, and the other way round: one step for each, whatever the planner expects.
CREATE OR REPLACE FUNCTION watch_quotas(price bigint) RETURNS TABLE (limit_name text, percent smallint, told text)
LANGUAGE sql VOLATILE SECURITY INVOKER AS $$
WITH over AS (
  DELETE FROM quota_alerts a WHERE NOT EXISTS (
    SELECT FROM quotas q WHERE (q.scope, q.tenant_id, q.organization_id, q.user_id) = ('tenant', a.tenant_id, '', '')
      AND q.mode <> 'off' AND q.day IS NOT NULL
      AND CASE a.limit_name
        WHEN 'numbers_held' THEN (q.used + q.reserved + q.ordered) * 100.0 >= q.numbers_held * a.percent::numeric
        ELSE (q.month_used + q.month_reserved) * price * 100.0 >= q.spend_per_month * a.percent::numeric
             AND q.month >= date_trunc('month', clock_timestamp() AT TIME ZONE q.time_zone)::date END)
), fresh AS MATERIALIZED (
  SELECT q.tenant_id, l.limit_name, p.percent, l.allowed, l.used, l.reserved
  FROM quotas q, LATERAL (
    -- What was counted of a month before counts no more, as rolled has it.
    SELECT price * (q.month >= date_trunc('month', clock_timestamp() AT TIME ZONE q.time_zone)::date)::int AS each
  ) s, LATERAL (VALUES
    ('numbers_held', q.numbers_held, q.used, q.reserved + q.ordered),
    ('spend_per_month', q.spend_per_month, q.month_used * s.each, q.month_reserved * s.each)
  ) l (limit_name, allowed, used, reserved), LATERAL (VALUES (80::smallint), (100::smallint)) p (percent)
  WHERE q.scope = 'tenant' AND q.mode <> 'off' AND q.day IS NOT NULL AND (q.numbers_held > 0 OR q.spend_per_month > 0)
    AND l.allowed > 0 AND (l.used + l.reserved) * 100.0 >= l.allowed * p.percent::numeric
    -- In a subquery of its own, with a bound: never a join over all that are noted.
    AND (SELECT a.tenant_id FROM quota_alerts a
         WHERE a.tenant_id = q.tenant_id AND a.limit_name = l.limit_name AND a.percent = p.percent LIMIT 1) IS NULL
), noted AS (
  INSERT INTO quota_alerts (tenant_id, limit_name, percent)
  SELECT f.tenant_id, f.limit_name, f.percent FROM fresh f ORDER BY f.tenant_id, f.limit_name, f.percent
  ON CONFLICT DO NOTHING
)
SELECT f.limit_name, f.percent, record_event(f.tenant_id, 'quota.near_limit', NULL, NULL, jsonb_build_object(
         'limit_name', f.limit_name, 'percent', f.percent, 'limit', f.allowed, 'used', f.used,
         'reserved', f.reserved))::text
FROM fresh f
ORDER BY f.tenant_id, f.limit_name, f.percent
$$
