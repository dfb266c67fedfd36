-- Which limits of tenants on numbers held and on spending are used to 80 % or in full: noted while it is so, and told
-- to the tenant as it comes to be so. `price`: what a purchase is reckoned at, in micro-units. Answers those that came.
CREATE FUNCTION watch_quotas(price bigint) RETURNS TABLE (limit_name text, percent smallint, told text)
LANGUAGE sql VOLATILE SECURITY INVOKER AS $$
WITH near AS MATERIALIZED (
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
), over AS (
  DELETE FROM quota_alerts a WHERE NOT EXISTS (
    SELECT FROM near n WHERE (n.tenant_id, n.limit_name, n.percent) = (a.tenant_id, a.limit_name, a.percent))
), come AS (
  INSERT INTO quota_alerts (tenant_id, limit_name, percent)
  SELECT n.tenant_id, n.limit_name, n.percent FROM near n ORDER BY n.tenant_id, n.limit_name, n.percent
  ON CONFLICT DO NOTHING RETURNING *
)
SELECT c.limit_name, c.percent, record_event(c.tenant_id, 'quota.near_limit', NULL, NULL, jsonb_build_object(
         'limit_name', c.limit_name, 'percent', c.percent, 'limit', n.allowed, 'used', n.used,
         'reserved', n.reserved))::text
FROM come c JOIN near n ON (n.tenant_id, n.limit_name, n.percent) = (c.tenant_id, c.limit_name, c.percent)
ORDER BY c.tenant_id, c.limit_name, c.percent
$$
