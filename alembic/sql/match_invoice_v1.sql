-- An invoice against what the ledger charges for its month (lo): service/billing/matching.py says the same of a few
-- lines. One row for each line, then one for each charge without a line (place is null).
-- through, priced, rule: as charges_due.  tolerance: micro-units that are let pass.
CREATE FUNCTION match_invoice(invoice uuid, lo date, through bigint, priced bigint, rule jsonb, tolerance bigint)
RETURNS TABLE (place bigint, verdict text, number_id uuid, kind text, begins date, ends date, price_ids uuid[],
               expected bigint, charged bigint, other bigint)
LANGUAGE sql STABLE SECURITY INVOKER AS $$
WITH said AS MATERIALIZED (
  SELECT i.account_id, i.currency, rule->>'time_zone' AS zone, rule->>'due' = 'arrears' AS in_arrears,
         rule->>'proration' = 'daily' AS by_day
  FROM invoices i WHERE i.id = invoice
), life AS MATERIALIZED (
  SELECT n.id, n.phone_number, n.subscription_id, (n.acquired_at AT TIME ZONE s.zone)::date AS acquired,
         (coalesce(n.released_at, CASE WHEN n.state = 'missing' THEN (
            SELECT f.ended_at FROM number_facts f WHERE f.number_id = n.id ORDER BY f.seq DESC LIMIT 1) END)
          AT TIME ZONE s.zone)::date AS released
  FROM said s JOIN numbers n ON n.account_id = s.account_id
), charge AS MATERIALIZED (
  SELECT d.number_id, CASE WHEN d.kind = 'setup' THEN 'setup' ELSE 'rent' END AS kind, d.begins, d.ends, d.due, d.micros,
         d.price_id, n.released
  FROM charges_due(lo, (lo + interval '1 month')::date, through, priced, rule, NULL) d
  JOIN life n ON n.id = d.number_id
  WHERE d.currency = (SELECT s.currency FROM said s)
), unit AS MATERIALIZED (
  -- Parts of a month have its last day in common, or the day on which they are due, as the rule has it.
  SELECT row_number() OVER (ORDER BY u.number_id, u.kind, u.begins, u.ends) AS id, u.*,
         CASE WHEN s.by_day AND least(u.ends, u.released + 1) > u.begins THEN least(u.ends, u.released + 1)
              ELSE u.ends END AS held_until
  FROM said s, (
    SELECT c.number_id, c.kind, min(c.begins) AS begins, max(c.ends) AS ends, sum(c.micros)::bigint AS micros,
           max(c.released) AS released, array_agg(DISTINCT c.price_id) AS price_ids
    FROM charge c, said s
    GROUP BY c.number_id, c.kind,
             CASE WHEN c.kind = 'setup' THEN c.begins WHEN s.in_arrears THEN c.due ELSE c.ends END
  ) u
), line AS MATERIALIZED (
  SELECT l.place, l.subscription_id, l.phone_number, l.kind = 'credit' AS is_credit,
         CASE WHEN l.kind = 'credit' THEN 'rent' ELSE l.kind END AS kind, l.begins AS told_begins, l.ends AS told_ends,
         coalesce(l.begins, lo) AS begins,
         coalesce(l.ends, CASE WHEN l.begins IS NULL THEN (lo + interval '1 month')::date ELSE l.begins + 1 END) AS ends,
         CASE WHEN l.kind = 'credit' AND l.begins IS NOT NULL THEN l.begins - 1 ELSE coalesce(l.begins, lo) END
           AS held_first,
         l.quantity, l.micros, coalesce(c.settles, 0) AS settles
  FROM invoice_lines l
  LEFT JOIN (SELECT k.place, -sum(k.micros)::bigint AS settles FROM dispute_credits k WHERE k.invoice_id = invoice
             GROUP BY k.place) c USING (place)
  WHERE l.invoice_id = invoice
), candidate AS (
  SELECT l.place, 0 AS by_phone, n.* FROM line l JOIN life n ON n.subscription_id = l.subscription_id
  UNION ALL
  SELECT l.place, 1, n.* FROM line l JOIN life n ON n.phone_number = l.phone_number
  WHERE n.subscription_id IS DISTINCT FROM l.subscription_id OR l.subscription_id IS NULL
), found AS MATERIALIZED (
  -- By the subscription; else by the number, as it was held on these days: carriers recycle numbers. What is given back
  -- is of whoever held it on the day before.
  SELECT DISTINCT ON (l.place) l.*, n.id AS number_id, n.acquired, n.released
  FROM line l LEFT JOIN candidate n USING (place)
  ORDER BY l.place, n.by_phone, n.phone_number IS DISTINCT FROM l.phone_number,
    NOT (n.acquired < CASE WHEN l.held_first < l.begins THEN l.begins ELSE l.ends END
         AND coalesce(n.released >= l.held_first, true)),
    n.acquired > l.held_first, abs(n.acquired - l.held_first), n.id
), assigned AS MATERIALIZED (
  -- What begins when the number had been given back is for no days on which it was held.
  SELECT DISTINCT ON (f.place) f.*, u.id AS unit, u.begins AS unit_begins, u.ends AS unit_ends, u.held_until,
         u.micros AS unit_micros, u.price_ids, least(f.ends, u.ends) - greatest(f.begins, u.begins) AS overlap
  FROM found f
  LEFT JOIN unit u ON u.number_id = f.number_id AND u.kind = f.kind AND f.settles = 0
    AND (f.told_begins IS NOT NULL OR NOT f.is_credit)
    AND (u.kind = 'setup' OR f.told_begins IS NULL OR least(f.ends, u.ends) > greatest(f.begins, u.begins))
    AND (f.released IS NULL OR f.begins <= f.released OR u.begins > f.released)
  ORDER BY f.place,
    CASE WHEN f.told_begins IS NOT NULL THEN greatest(f.begins, u.begins) - least(f.ends, u.ends) END,
    CASE WHEN f.told_begins IS NOT NULL THEN abs(u.begins - f.begins) END, u.begins
), led AS (
  SELECT a.*, row_number() OVER (PARTITION BY a.unit ORDER BY a.micros <> a.unit_micros,
           (a.begins, a.ends) <> (a.unit_begins, a.unit_ends), a.overlap DESC, abs(a.micros) DESC, a.place) = 1 AS leads
  FROM assigned a WHERE a.unit IS NOT NULL
), whole AS (
  SELECT a.unit, sum(a.micros)::bigint AS micros, min(a.micros) < 0 AND max(a.micros) > 0 AS anew,
         count(DISTINCT (a.told_begins, a.told_ends)) = count(*) AS apart
  FROM assigned a WHERE a.unit IS NOT NULL GROUP BY a.unit
), borne AS (
  -- What adds up to its charge is its parts. Else the likeliest is for it, and the others are more than was due; of what
  -- was taken back and charged anew it bears the difference alone.
  SELECT l.place,
         CASE WHEN w.micros = l.unit_micros THEN l.micros
              WHEN w.anew OR w.apart AND abs(w.micros - l.unit_micros) <= tolerance
                THEN CASE WHEN l.leads THEN l.unit_micros - (w.micros - l.micros) ELSE l.micros END
              WHEN l.leads THEN l.unit_micros END AS expected
  FROM led l JOIN whole w USING (unit)
), judged AS (
  SELECT a.*, b.expected,
         first_value(a.place) OVER (
           PARTITION BY a.settles <> 0, a.number_id, a.kind, a.told_begins, a.told_ends,
             CASE WHEN a.kind = 'other' THEN a.micros ELSE sign(a.micros)::bigint END
           ORDER BY b.expected IS NULL, a.place) AS first
  FROM assigned a LEFT JOIN borne b USING (place)
), told AS (
  SELECT j.*,
    CASE WHEN j.settles <> 0 THEN CASE WHEN j.micros = j.settles THEN 'matched' ELSE 'quantity_differs' END
         WHEN j.expected IS NOT NULL THEN
           CASE WHEN j.micros = j.expected THEN 'matched'
                WHEN abs(j.micros - j.expected) <= tolerance THEN 'within_tolerance'
                WHEN j.quantity <> 1 OR j.kind = 'rent' AND j.told_begins IS NOT NULL
                     AND abs((j.ends - j.begins) - (j.held_until - j.unit_begins)) > 1 THEN 'quantity_differs'
                ELSE 'price_differs' END
         WHEN j.number_id IS NULL THEN 'never_ours'
         WHEN j.micros = 0 THEN 'matched'
         WHEN j.first <> j.place THEN 'duplicate'
         WHEN j.begins > j.released THEN 'charged_after_release'
         WHEN j.ends <= j.acquired THEN 'never_ours'
         ELSE 'quantity_differs' END AS verdict
  FROM judged j
)
SELECT t.place, t.verdict, t.number_id, t.kind,
       CASE WHEN t.expected IS NOT NULL THEN t.unit_begins END, CASE WHEN t.expected IS NOT NULL THEN t.unit_ends END,
       CASE WHEN t.expected IS NOT NULL THEN t.price_ids END,
       CASE WHEN t.settles <> 0 THEN t.settles ELSE coalesce(t.expected, 0) END, t.micros,
       CASE WHEN t.verdict = 'duplicate' THEN t.first END
FROM told t
UNION ALL
SELECT NULL, 'not_charged', u.number_id, u.kind, u.begins, u.ends, u.price_ids, u.micros, 0, NULL
FROM unit u
WHERE u.micros <> 0 AND NOT EXISTS (SELECT FROM assigned a WHERE a.unit = u.id)
$$
