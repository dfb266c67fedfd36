-- What numbers cost, as statements have it: charges of months that are final by the rule that each was closed with, with
-- what came to light since put right; of others by the present rule; `otherwise` is that where none is filed.
-- after, until: for each number, from which time the sum `within` is: due after the day of the one, to that of the other.
-- Sums are of the currency of today's price alone. A number's own price, of an import, has no price_id.
CREATE FUNCTION costs_of(ids uuid[], after timestamptz[], until timestamptz[], otherwise jsonb)
RETURNS TABLE (number_id uuid, price_id uuid, monthly bigint, currency text, to_date bigint, within bigint,
               next_charge_at timestamptz, next_charge bigint)
LANGUAGE sql STABLE SECURITY INVOKER AS $$
WITH said AS MATERIALIZED (
  SELECT r.rule, r.rule->>'time_zone' AS zone, (clock_timestamp() AT TIME ZONE (r.rule->>'time_zone'))::date AS today
  FROM (SELECT coalesce((SELECT c.rule FROM charging_rule c), otherwise) AS rule) r
), asked AS MATERIALIZED (
  SELECT a.id, (a.after AT TIME ZONE s.zone)::date AS after, coalesce((a.until AT TIME ZONE s.zone)::date, s.today) AS until
  FROM unnest(ids, after, until) a (id, after, until), said s
), latest AS MATERIALIZED (
  SELECT DISTINCT ON (f.number_id) f.number_id, f.ended_at IS NULL AS is_held, f.organization_id, f.number_type,
         f.area_code, f.price_monthly, f.price_currency
  FROM number_facts f WHERE f.number_id = ANY (ids) ORDER BY f.number_id, f.seq DESC
), month AS (
  SELECT m.first, m.rule, m.rule IS DISTINCT FROM lag(m.rule) OVER (ORDER BY m.first) AS differs
  FROM (SELECT '1970-01-01'::date AS first, s.rule FROM said s
        UNION ALL
        SELECT p.month, p.rule FROM billing_periods p
        UNION ALL
        SELECT (max(p.month) + interval '1 month')::date, s.rule FROM said s, billing_periods p GROUP BY s.rule) m
), stretch AS (
  -- To where the next charge of each is sure to be.
  SELECT m.first, lead(m.first, 1, (SELECT greatest(max(a.until), s.today) FROM asked a)
    + (s.rule->>'free_days')::int + 62) OVER (ORDER BY m.first) AS until, m.rule
  FROM month m, said s WHERE m.differs
), charge AS (
  SELECT d.number_id, d.kind, d.due, d.micros, d.currency,
         min(d.due) FILTER (WHERE d.due > s.today AND d.kind <> 'credit') OVER (PARTITION BY d.number_id) AS next_due
  FROM said s, stretch t,
       LATERAL charges_due(t.first, t.until, 9223372036854775807, 9223372036854775807, t.rule, ids) d
), price AS (
  SELECT l.number_id, l.is_held, CASE WHEN l.price_monthly IS NULL THEN v.price_id END AS price_id,
         coalesce(l.price_monthly, v.monthly) AS monthly, coalesce(l.price_currency, v.currency) AS currency
  FROM said s CROSS JOIN latest l
  LEFT JOIN LATERAL price_in_force(l.organization_id, l.number_type, l.area_code, s.today) v ON true
)
SELECT p.number_id, p.price_id, CASE WHEN p.is_held THEN p.monthly ELSE 0 END, p.currency,
       coalesce(sum(c.micros) FILTER (WHERE c.due <= s.today), 0)::bigint,
       coalesce(sum(c.micros) FILTER (WHERE c.due > a.after AND c.due <= a.until), 0)::bigint,
       min(c.next_due)::timestamp AT TIME ZONE min(s.zone),
       coalesce(sum(c.micros) FILTER (WHERE c.due = c.next_due AND c.kind <> 'credit'), 0)::bigint
FROM said s, price p
JOIN asked a ON a.id = p.number_id
LEFT JOIN charge c ON c.number_id = p.number_id AND c.currency = p.currency
GROUP BY p.number_id, p.price_id, p.is_held, p.monthly, p.currency
$$
