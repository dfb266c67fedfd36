-- What is charged in a month: what is due in it, and what facts that became known since the last close put right of
-- months that are final. Those were charged by the rule that they were closed with.
-- through, priced: the last fact and the last price that count.
CREATE FUNCTION period_charges(period date, through bigint, priced bigint, rule jsonb)
RETURNS TABLE (corrects date, number_id uuid, kind text, begins date, ends date, due date, micros bigint,
               currency text, price_id uuid, tenant_id text, organization_id text, user_id text, holder_user_id text,
               cost_center text, tags text[])
LANGUAGE sql STABLE SECURITY INVOKER AS $$
WITH closed AS MATERIALIZED (
  SELECT p.month, p.rule, p.facts_through FROM billing_periods p WHERE p.month < period
), late AS MATERIALIZED (
  SELECT array_agg(DISTINCT f.number_id) AS ids FROM number_facts f
  WHERE f.seq > (SELECT max(c.facts_through) FROM closed c) AND f.seq <= through
    AND (f.acquired_at < period + interval '1 day' OR EXISTS (
      SELECT FROM number_facts p WHERE p.number_id = f.number_id AND p.seq <= (SELECT max(c.facts_through) FROM closed c)))
)
SELECT NULL::date, d.*
FROM charges_due(period, (period + interval '1 month')::date, through, priced, rule, NULL) d
UNION ALL
SELECT x.corrects, x.number_id, x.kind, x.begins, x.ends, x.due, sum(x.micros)::bigint, x.currency, x.price_id,
       x.tenant_id, x.organization_id, x.user_id, x.holder_user_id, x.cost_center, x.tags
FROM (
  SELECT c.month AS corrects, d.*
  FROM late, closed c, charges_due(c.month, (c.month + interval '1 month')::date, through, priced, c.rule, late.ids) d
  WHERE late.ids IS NOT NULL
  UNION ALL
  SELECT coalesce(g.corrects, g.month), g.number_id, g.kind, g.begins, g.ends, g.due, -g.micros, g.currency, g.price_id,
         g.tenant_id, g.organization_id, g.user_id, g.holder_user_id, g.cost_center, g.tags
  FROM late, charges g WHERE g.month < period AND g.number_id = ANY (late.ids)
) x
GROUP BY x.corrects, x.number_id, x.kind, x.begins, x.ends, x.due, x.currency, x.price_id, x.tenant_id,
         x.organization_id, x.user_id, x.holder_user_id, x.cost_center, x.tags
HAVING sum(x.micros) <> 0
$$
