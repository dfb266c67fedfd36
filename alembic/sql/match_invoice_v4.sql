-- An invoice against what the ledger charges for its month (lo): service/billing/matching.py says the same of a few
-- lines. One row for each line, then one for each charge without a line (place is null).
-- A line that an earlier invoice charged already is a duplicate of that one's, `other` of `other_invoice_id`.
-- plain: it is for one charge, of one price, as which it reads to the day and the micro-unit.
-- through, priced, rule: as charges_due.  tolerance: micro-units that are let pass.
-- Nearly all lines name the subscription of a number, and are for a charge of it to the day and the micro-unit. Only
-- numbers of which a line is not so, or was charged before, or of which two are for one charge, are weighed, with all of
-- their lines.
CREATE FUNCTION match_invoice(invoice uuid, lo date, through bigint, priced bigint, rule jsonb, tolerance bigint)
RETURNS TABLE (finding bigint, place bigint, verdict text, number_id uuid, kind text, begins date, ends date,
               price_ids uuid[], expected bigint, charged bigint, other bigint, other_invoice_id uuid, plain boolean)
LANGUAGE sql STABLE SECURITY INVOKER AS $$
WITH said AS MATERIALIZED (
  SELECT i.account_id, i.currency, i.seq, rule->>'time_zone' AS zone, rule->>'due' = 'arrears' AS in_arrears,
         rule->>'proration' = 'daily' AS by_day,
         coalesce((SELECT max(l.place) FROM invoice_lines l WHERE l.invoice_id = invoice), 0) AS most
  FROM invoices i WHERE i.id = invoice
), late AS MATERIALIZED (
  -- Of whom more became known since the month was made final.
  SELECT DISTINCT f.number_id FROM number_facts f
  WHERE f.seq > (SELECT p.facts_through FROM billing_periods p WHERE p.month = lo) AND f.seq <= through
), charge AS (
  -- Of a final month all are written already, but for those; of another none is, and all are reckoned.
  SELECT c.number_id, CASE WHEN c.kind = 'setup' THEN 'setup' ELSE 'rent' END AS kind, c.begins, c.ends, c.due, c.micros,
         c.price_id
  FROM charges c
  WHERE c.month = lo AND c.corrects IS NULL AND c.currency = (SELECT s.currency FROM said s)
    AND NOT EXISTS (SELECT FROM late l WHERE l.number_id = c.number_id)
  UNION ALL
  SELECT d.number_id, CASE WHEN d.kind = 'setup' THEN 'setup' ELSE 'rent' END, d.begins, d.ends, d.due, d.micros,
         d.price_id
  FROM (SELECT CASE WHEN EXISTS (SELECT FROM billing_periods p WHERE p.month = lo)
                    THEN ARRAY(SELECT l.number_id FROM late l) END AS ids) o,
       charges_due(lo, (lo + interval '1 month')::date, through, priced, rule, o.ids) d
  WHERE d.currency = (SELECT s.currency FROM said s) AND o.ids IS DISTINCT FROM '{}'
), unit AS MATERIALIZED (
  -- Parts of a month have its last day in common, or the day on which they are due, as the rule has it.
  SELECT row_number() OVER () AS id, u.*
  FROM (
    SELECT c.number_id, c.kind, c.begins, c.ends, c.micros, ARRAY[c.price_id] AS price_ids
    FROM charge c WHERE NOT (SELECT s.by_day FROM said s)
    UNION ALL
    SELECT c.number_id, c.kind, min(c.begins), max(c.ends), sum(c.micros)::bigint, array_agg(DISTINCT c.price_id)
    FROM charge c, said s
    WHERE (SELECT s.by_day FROM said s)
    GROUP BY c.number_id, c.kind,
             CASE WHEN c.kind = 'setup' THEN c.begins WHEN s.in_arrears THEN c.due ELSE c.ends END
  ) u
), pair AS MATERIALIZED (
  -- A line, whose subscription it names, and the charge that it is for to the day and the micro-unit.
  SELECT l.place, n.id AS number_id, CASE WHEN n.id IS NULL THEN l.phone_number END AS phone_number,
         u.id AS unit, u.kind, u.begins, u.ends, u.micros, u.price_ids
  FROM invoice_lines l
  LEFT JOIN numbers n ON n.subscription_id = l.subscription_id AND n.account_id = (SELECT s.account_id FROM said s)
  LEFT JOIN unit u ON u.number_id = n.id AND u.kind = l.kind AND u.begins = l.begins AND u.ends = l.ends
                  AND u.micros = l.micros AND u.begins < u.ends
  WHERE l.invoice_id = invoice
), billed AS MATERIALIZED (
  -- What it charges of what; its month's days, where a line has none.
  SELECT l.place, l.subscription_id, l.phone_number, l.kind, coalesce(l.begins, lo) AS begins,
         coalesce(l.ends, CASE WHEN l.begins IS NULL THEN (lo + interval '1 month')::date ELSE l.begins + 1 END) AS ends,
         CASE WHEN l.kind = 'other' THEN l.micros END AS amount
  FROM invoice_lines l
  WHERE l.invoice_id = invoice AND l.micros > 0 AND EXISTS (
    SELECT FROM said s JOIN invoices i ON i.account_id = s.account_id AND i.currency = s.currency AND i.seq < s.seq
    WHERE i.state IN ('ready', 'matched') AND i.month BETWEEN lo - interval '1 year' AND lo + interval '1 year')
), earlier AS MATERIALIZED (
  -- What invoices that came before charged and gave back of the same days. stands: what of it was due, or was never
  -- judged, and was not given back.
  SELECT e.*, least(coalesce(f.expected_micros, e.micros), e.micros - coalesce(d.micros, 0)) AS stands
  FROM (
    SELECT i.id AS invoice_id, i.seq, l.place, l.subscription_id, l.phone_number, l.micros,
           CASE WHEN l.kind = 'credit' THEN 'rent' ELSE l.kind END AS kind, coalesce(l.begins, i.month) AS begins,
           coalesce(l.ends, CASE WHEN l.begins IS NULL THEN (i.month + interval '1 month')::date ELSE l.begins + 1 END)
             AS ends
    FROM said s
    JOIN invoices i ON i.account_id = s.account_id AND i.currency = s.currency AND i.seq < s.seq
      AND i.state IN ('ready', 'matched') AND i.month BETWEEN lo - interval '1 year' AND lo + interval '1 year'
    JOIN invoice_lines l ON l.invoice_id = i.id
  ) e
  JOIN (SELECT DISTINCT b.kind, b.begins, b.ends FROM billed b) b USING (kind, begins, ends)
  LEFT JOIN invoice_findings f ON f.invoice_id = e.invoice_id AND f.finding = e.place
  LEFT JOIN (
    SELECT g.invoice_id, g.place, sum(CASE WHEN p.state = 'credited' AND p.credited_micros = p.micros THEN g.micros
                                           ELSE g.credited_micros END)::bigint AS micros
    FROM dispute_lines g JOIN disputes p ON p.id = g.dispute_id GROUP BY g.invoice_id, g.place
  ) d ON d.invoice_id = e.invoice_id AND d.place = e.place
), before AS MATERIALIZED (
  SELECT b.place, sum(b.stands)::bigint AS stands,
         (array_agg(b.invoice_id ORDER BY b.seq, b.earlier_place) FILTER (WHERE b.micros > 0))[1] AS invoice_id,
         (array_agg(b.earlier_place ORDER BY b.seq, b.earlier_place) FILTER (WHERE b.micros > 0))[1] AS earlier_place
  FROM (
    SELECT l.place, e.stands, e.invoice_id, e.seq, e.place AS earlier_place, e.micros
    FROM billed l JOIN earlier e USING (subscription_id, kind, begins, ends)
    WHERE coalesce(l.amount, e.micros) = e.micros
    UNION ALL
    SELECT l.place, e.stands, e.invoice_id, e.seq, e.place, e.micros
    FROM billed l JOIN earlier e USING (phone_number, kind, begins, ends)
    WHERE coalesce(l.amount, e.micros) = e.micros AND (l.subscription_id IS NULL OR e.subscription_id IS NULL)
  ) b
  GROUP BY b.place HAVING sum(b.stands) > 0
), weighed AS MATERIALIZED (
  SELECT p.number_id FROM pair p WHERE p.number_id IS NOT NULL AND p.unit IS NULL
  UNION
  SELECT p.number_id FROM before b JOIN pair p USING (place) WHERE p.number_id IS NOT NULL
  UNION
  SELECT p.number_id FROM pair p WHERE p.unit IS NOT NULL GROUP BY p.unit, p.number_id HAVING count(*) > 1
  UNION
  -- To count both is quicker than to group: mostly no subscription is of several numbers.
  SELECT p.number_id FROM pair p
  WHERE (SELECT count(*) FROM pair) > (SELECT count(*) FROM invoice_lines l WHERE l.invoice_id = invoice)
    AND p.place IN (SELECT t.place FROM pair t WHERE t.number_id IS NOT NULL GROUP BY t.place HAVING count(*) > 1)
  UNION
  SELECT n.id
  FROM said s, pair p,
       LATERAL (SELECT n.id FROM numbers n WHERE n.account_id = s.account_id AND n.phone_number = p.phone_number OFFSET 0) n
  WHERE p.number_id IS NULL
), plain AS (
  SELECT p.* FROM pair p
  WHERE p.unit IS NOT NULL AND p.number_id NOT IN (SELECT w.number_id FROM weighed w)
), life AS MATERIALIZED (
  SELECT n.id, n.phone_number, n.subscription_id, (n.acquired_at AT TIME ZONE s.zone)::date AS acquired,
         (coalesce(n.released_at, CASE WHEN n.state = 'missing' THEN (
            SELECT f.ended_at FROM number_facts f WHERE f.number_id = n.id ORDER BY f.seq DESC LIMIT 1) END)
          AT TIME ZONE s.zone)::date AS released
  FROM said s, weighed w, LATERAL (SELECT * FROM numbers n WHERE n.id = w.number_id OFFSET 0) n
), due AS MATERIALIZED (
  SELECT u.*, CASE WHEN s.by_day AND least(u.ends, n.released + 1) > u.begins THEN least(u.ends, n.released + 1)
                   ELSE u.ends END AS held_until
  FROM said s, unit u JOIN life n ON n.id = u.number_id
), line AS MATERIALIZED (
  SELECT l.place, l.subscription_id, l.phone_number, l.kind = 'credit' AS is_credit,
         CASE WHEN l.kind = 'credit' THEN 'rent' ELSE l.kind END AS kind, l.begins AS told_begins, l.ends AS told_ends,
         coalesce(l.begins, lo) AS begins,
         coalesce(l.ends, CASE WHEN l.begins IS NULL THEN (lo + interval '1 month')::date ELSE l.begins + 1 END) AS ends,
         CASE WHEN l.kind = 'credit' AND l.begins IS NOT NULL THEN l.begins - 1 ELSE coalesce(l.begins, lo) END
           AS held_first,
         l.quantity, l.micros, coalesce(c.settles, 0) AS settles
  FROM (
    SELECT DISTINCT p.place FROM pair p
    WHERE p.number_id IS NULL OR p.number_id IN (SELECT w.number_id FROM weighed w)
  ) p
  CROSS JOIN LATERAL (SELECT * FROM invoice_lines l WHERE l.invoice_id = invoice AND l.place = p.place OFFSET 0) l
  LEFT JOIN (SELECT k.place, -sum(k.micros)::bigint AS settles FROM dispute_credits k WHERE k.invoice_id = invoice
             GROUP BY k.place) c ON c.place = p.place
), candidate AS (
  SELECT p.place, 0 AS by_phone, n.* FROM pair p JOIN life n ON n.id = p.number_id
  UNION ALL
  SELECT p.place, 1, n.* FROM pair p JOIN life n ON n.phone_number = p.phone_number WHERE p.number_id IS NULL
), found AS MATERIALIZED (
  -- By the subscription; else by the number, as it was held on these days: carriers recycle numbers. What is given back
  -- is of whoever held it on the day before.
  SELECT DISTINCT ON (l.place) l.*, n.id AS number_id, n.acquired, n.released
  FROM line l LEFT JOIN candidate n USING (place)
  ORDER BY l.place, n.by_phone, n.phone_number IS DISTINCT FROM l.phone_number,
    NOT (n.acquired < CASE WHEN l.held_first < l.begins THEN l.begins ELSE l.ends END
         AND coalesce(n.released >= l.held_first, true)),
    n.acquired > l.held_first, abs(n.acquired - l.held_first), n.id
), nearest AS (
  -- What begins when the number had been given back is for no days on which it was held.
  SELECT DISTINCT ON (f.place) f.*, u.id AS nearest, u.begins AS unit_begins, u.ends AS unit_ends, u.held_until,
         u.micros AS unit_micros, u.price_ids, least(f.ends, u.ends) - greatest(f.begins, u.begins) AS overlap
  FROM found f
  LEFT JOIN due u ON u.number_id = f.number_id AND u.kind = f.kind AND f.settles = 0
    AND (f.told_begins IS NOT NULL OR NOT f.is_credit)
    AND (u.kind = 'setup' OR f.told_begins IS NULL OR least(f.ends, u.ends) > greatest(f.begins, u.begins))
    AND (f.released IS NULL OR f.begins <= f.released OR u.begins > f.released)
  ORDER BY f.place,
    CASE WHEN f.told_begins IS NOT NULL THEN greatest(f.begins, u.begins) - least(f.ends, u.ends) END,
    CASE WHEN f.told_begins IS NOT NULL THEN abs(u.begins - f.begins) END, u.begins
), assigned AS MATERIALIZED (
  -- What was charged before, and with this is more than is due, is for no charge. Else it is charged in parts, or anew.
  SELECT n.*, CASE WHEN NOT a.is_again THEN n.nearest END AS unit,
         CASE WHEN a.is_again THEN b.invoice_id END AS other_invoice_id,
         CASE WHEN a.is_again THEN b.earlier_place END AS earlier_place
  FROM nearest n
  LEFT JOIN before b USING (place)
  CROSS JOIN LATERAL (
    SELECT b.place IS NOT NULL AND n.settles = 0
           AND (n.nearest IS NULL OR b.stands + n.micros > n.unit_micros + tolerance) AS is_again
  ) a
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
         WHEN j.other_invoice_id IS NOT NULL OR j.first <> j.place THEN 'duplicate'
         WHEN j.begins > j.released THEN 'charged_after_release'
         WHEN j.ends <= j.acquired THEN 'never_ours'
         ELSE 'quantity_differs' END AS verdict
  FROM judged j
), unmet AS MATERIALIZED (
  SELECT u.* FROM unit u
  WHERE u.micros <> 0 AND NOT EXISTS (
    SELECT FROM (SELECT p.unit FROM plain p UNION ALL SELECT a.nearest FROM assigned a) t WHERE t.unit = u.id)
)
SELECT p.place, p.place, 'matched', p.number_id, p.kind, p.begins, p.ends, p.price_ids, p.micros, p.micros, NULL,
       NULL::uuid, cardinality(p.price_ids) = 1
FROM plain p
UNION ALL
SELECT t.place, t.place, t.verdict, t.number_id, t.kind,
       CASE WHEN t.expected IS NOT NULL THEN t.unit_begins END, CASE WHEN t.expected IS NOT NULL THEN t.unit_ends END,
       CASE WHEN t.expected IS NOT NULL THEN t.price_ids END,
       CASE WHEN t.settles <> 0 THEN t.settles ELSE coalesce(t.expected, 0) END, t.micros,
       CASE WHEN t.verdict = 'duplicate' THEN coalesce(t.earlier_place, t.first) END,
       CASE WHEN t.verdict = 'duplicate' THEN t.other_invoice_id END, false
FROM told t
UNION ALL
SELECT s.most + row_number() OVER (ORDER BY u.number_id, u.kind, u.begins, u.ends), NULL, 'not_charged', u.number_id,
       u.kind, u.begins, u.ends, u.price_ids, u.micros, 0, NULL, NULL, false
FROM said s, unmet u
WHERE (SELECT n.account_id FROM numbers n WHERE n.id = u.number_id) = s.account_id
$$
