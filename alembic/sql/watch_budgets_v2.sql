-- What of a month each budget has seen, so far and to its end if nothing changes, and which of its thresholds that
-- reaches: noted, and told to the tenant that is named for it, once for each. Where the amount was changed so that a
-- threshold is not reached any more, it may be reached anew.
-- through, priced, rule: as period_charges has them. is_next: whether what is put right of earlier months counts too.
-- One that was filed later was none of that month.
-- Answers those that were reached now. A budget that is changed meanwhile is left to the next time.
CREATE OR REPLACE FUNCTION watch_budgets(month date, through bigint, priced bigint, rule jsonb, today date, is_next boolean)
RETURNS TABLE (threshold smallint, measure text, told text)
LANGUAGE sql VOLATILE SECURITY INVOKER AS $$
WITH charged AS MATERIALIZED (
  SELECT c.organization_id, c.tenant_id, c.cost_center, c.currency,
         grouping(c.organization_id, c.tenant_id, c.cost_center) AS over,
         coalesce(sum(c.micros) FILTER (WHERE c.due <= today), 0) AS so_far, sum(c.micros) AS whole
  FROM period_charges(month, through, priced, rule) c
  WHERE c.currency IS NOT NULL AND (is_next OR c.corrects IS NULL)
  GROUP BY c.currency, CUBE (c.organization_id, c.tenant_id, c.cost_center)
), watched AS (
  UPDATE budgets b SET period = month, so_far = s.so_far, forecast = s.whole, reckoned_at = clock_timestamp()
  FROM (
    SELECT k.id, k.revision, coalesce(c.so_far, 0) AS so_far, coalesce(c.whole, 0) AS whole
    FROM budgets k LEFT JOIN charged c
      ON c.over = 4 * (k.organization_id IS NULL)::int + 2 * (k.tenant_id IS NULL)::int + (k.cost_center IS NULL)::int
     AND coalesce(c.organization_id, '') = coalesce(k.organization_id, '')
     AND coalesce(c.tenant_id, '') = coalesce(k.tenant_id, '')
     AND coalesce(c.cost_center, '') = coalesce(k.cost_center, '') AND c.currency = k.currency
  ) s
  WHERE s.id = b.id AND s.revision = b.revision
    AND (b.created_at AT TIME ZONE (rule->>'time_zone'))::date < month + interval '1 month'
  RETURNING b.*
), looked_at AS (
  SELECT w.*, t.threshold, t.measure, t.micros, t.holds
  FROM watched w, LATERAL (VALUES
    (50::smallint, 'charged', w.so_far, w.so_far * 100.0 >= w.amount * 50.0),
    (80::smallint, 'charged', w.so_far, w.so_far * 100.0 >= w.amount * 80.0),
    (100::smallint, 'charged', w.so_far, w.so_far >= w.amount),
    (100::smallint, 'forecast', w.forecast, w.forecast > w.amount)) t (threshold, measure, micros, holds)
), anew AS (
  UPDATE budget_alerts a SET ended_at = clock_timestamp()
  FROM looked_at l
  WHERE a.budget_id = l.id AND a.period = l.period AND a.threshold = l.threshold AND a.measure = l.measure
    AND a.ended_at IS NULL AND NOT l.holds AND a.amount <> l.amount
), reached AS (
  INSERT INTO budget_alerts (budget_id, period, threshold, measure, micros, amount)
  SELECT l.id, l.period, l.threshold, l.measure, l.micros, l.amount FROM looked_at l WHERE l.holds
  ORDER BY l.id, l.measure, l.threshold
  ON CONFLICT (budget_id, period, threshold, measure) WHERE ended_at IS NULL DO NOTHING
  RETURNING *
)
SELECT r.threshold, r.measure, CASE WHEN w.notify_tenant_id IS NOT NULL THEN
  record_event(w.notify_tenant_id, 'budget.reached', NULL, NULL, jsonb_build_object(
    'budget_id', w.id, 'name', w.name, 'period', to_char(r.period, 'YYYY-MM'), 'threshold', r.threshold,
    'measure', r.measure, 'micros', r.micros, 'amount', r.amount, 'currency', w.currency))::text END
FROM reached r JOIN watched w ON w.id = r.budget_id
ORDER BY r.budget_id, r.measure, r.threshold
$$
