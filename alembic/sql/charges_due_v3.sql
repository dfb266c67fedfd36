-- What numbers are charged on the days from lo to the one before hi: service/billing/accrual.py says the same of one.
-- through, priced: the last fact and the last price that count.  rule: cycle, proration, due, time_zone, free_days,
-- minimum_months.  only_of: of these numbers alone; null is all that the caller sees.
CREATE OR REPLACE FUNCTION charges_due(lo date, hi date, through bigint, priced bigint, rule jsonb, only_of uuid[])
RETURNS TABLE (number_id uuid, kind text, begins date, ends date, due date, micros bigint, currency text,
               price_id uuid, tenant_id text, organization_id text, user_id text, holder_user_id text,
               cost_center text, tags text[])
LANGUAGE sql STABLE SECURITY INVOKER AS $$
WITH said AS MATERIALIZED (
  SELECT rule->>'time_zone' AS zone, rule->>'cycle' = 'calendar' AS by_calendar, rule->>'proration' = 'daily' AS by_day,
         rule->>'due' = 'arrears' AS in_arrears, (rule->>'free_days')::int AS free,
         (rule->>'minimum_months')::int AS least
), fact AS MATERIALIZED (
  SELECT f.*, (f.valid_at AT TIME ZONE s.zone)::date AS day,
         (first_value(f.acquired_at) OVER latest AT TIME ZONE s.zone)::date AS acquired,
         (first_value(f.ended_at) OVER latest AT TIME ZONE s.zone)::date AS released,
         row_number() OVER latest = 1 AS is_latest
  FROM said s, (
    -- Of some, by the index or a hash, as many as they are: compared one by one, a few thousand take minutes.
    SELECT f.* FROM number_facts f WHERE only_of IS NULL
    UNION ALL
    SELECT f.* FROM (SELECT DISTINCT o.id FROM unnest(only_of) o (id)) o JOIN number_facts f ON f.number_id = o.id
    WHERE only_of IS NOT NULL
  ) f
  WHERE f.seq <= through
  WINDOW latest AS (PARTITION BY f.number_id ORDER BY f.seq DESC)
), version AS MATERIALIZED (
  SELECT p.*, 4 * (p.organization_id IS NOT NULL)::int + 2 * (p.area_code IS NOT NULL)::int
              + (p.number_type IS NOT NULL)::int AS weight
  FROM price_versions p WHERE p.seq <= priced
), life AS MATERIALIZED (
  -- With what of it a price may be for, '' where none is for it by name.
  SELECT f.number_id, f.acquired, f.released, f.acquired + s.free AS first, least(hi - 1, f.released) AS last,
         f.price_setup, f.price_monthly, f.price_currency,
         CASE WHEN f.organization_id IN (SELECT v.organization_id FROM version v) THEN f.organization_id ELSE '' END AS o,
         CASE WHEN f.number_type IN (SELECT v.number_type FROM version v) THEN f.number_type ELSE '' END AS t,
         CASE WHEN f.area_code IN (SELECT v.area_code FROM version v) THEN f.area_code ELSE '' END AS a
  FROM fact f, said s WHERE f.is_latest AND f.acquired <= least(hi - 1, f.released)
), in_force AS MATERIALIZED (
  SELECT k.o, k.t, k.a, v.id, v.setup, v.monthly, v.currency, v.since,
         lead(v.since, 1, 'infinity'::date) OVER (PARTITION BY k.o, k.t, k.a ORDER BY v.since) AS until
  FROM (SELECT DISTINCT o, t, a FROM life) k
  JOIN version v ON coalesce(v.organization_id, k.o) = k.o AND coalesce(v.number_type, k.t) = k.t
                AND coalesce(v.area_code, k.a) = k.a
  WHERE NOT EXISTS (
    SELECT FROM version w
    WHERE coalesce(w.organization_id, k.o) = k.o AND coalesce(w.number_type, k.t) = k.t
      AND coalesce(w.area_code, k.a) = k.a
      AND (w.weight > v.weight AND w.since <= v.since))
), owned AS MATERIALIZED (
  -- From a day on, by the last that was known of it; the first one from the beginning.
  SELECT o.*, CASE WHEN row_number() OVER days = 1 THEN '-infinity'::date ELSE o.since END AS owned_from,
         lead(o.since, 1, 'infinity'::date) OVER days AS owned_until
  FROM (
    SELECT d.*, lag(d.owner) OVER (PARTITION BY d.number_id ORDER BY d.since) IS DISTINCT FROM d.owner AS differs
    FROM (SELECT DISTINCT ON (f.number_id, greatest(f.day, f.acquired))
                 f.number_id, greatest(f.day, f.acquired) AS since, f.tenant_id, f.organization_id, f.user_id,
                 f.holder_user_id, f.cost_center, f.tags,
                 ROW(f.tenant_id, f.organization_id, f.user_id, f.holder_user_id, f.cost_center, f.tags) AS owner
          FROM fact f ORDER BY f.number_id, greatest(f.day, f.acquired), f.seq DESC) d
  ) o
  WHERE o.differs
  WINDOW days AS (PARTITION BY o.number_id ORDER BY o.since)
), month AS (
  SELECT l.*, m.begins, m.ends, m.whole, m.is_least
  FROM life l, said s, LATERAL (
    SELECT CASE WHEN k.at = 0 THEN l.first WHEN s.by_calendar THEN starts.day + make_interval(months => k.at)
                ELSE l.first + make_interval(months => k.at) END::date AS begins,
           CASE WHEN s.by_calendar THEN starts.day + make_interval(months => k.at + 1)
                ELSE l.first + make_interval(months => k.at + 1) END::date AS ends,
           k.at < s.least AS is_least, k.at, starts.day
    FROM (SELECT date_trunc('month', l.first)::date AS day) starts,
         LATERAL (SELECT (extract(year FROM lo) - extract(year FROM l.first))::int * 12
                         + (extract(month FROM lo) - extract(month FROM l.first))::int AS from_lo,
                         (extract(year FROM hi) - extract(year FROM l.first))::int * 12
                         + (extract(month FROM hi) - extract(month FROM l.first))::int AS to_hi) d,
         LATERAL generate_series(greatest(0, d.from_lo - 1), greatest(d.to_hi, s.least - 1)) k (at)
  ) k, LATERAL (
    SELECT k.begins, k.ends, k.is_least,
           CASE WHEN s.by_calendar
                THEN extract(day FROM date_trunc('month', k.begins) + interval '1 month - 1 day')::int
                ELSE k.ends - k.begins END AS whole
  ) m
  WHERE (m.begins <= l.last OR m.is_least) AND m.ends >= lo
), wanted AS (
  -- Each line's number, kind and days, whose owner and price are still to be found: on which day each.
  SELECT l.number_id, 'setup' AS kind, l.acquired AS begins, l.acquired + 1 AS ends, l.acquired AS due,
         l.acquired AS owned_on, l.acquired AS priced_on, NULL::int AS cut_from, NULL::int AS cut_to, NULL::int AS whole
  FROM life l WHERE l.acquired >= lo
  UNION ALL
  SELECT m.number_id, 'month', m.begins, m.ends, CASE WHEN s.in_arrears THEN m.ends ELSE m.begins END,
         least(m.begins, m.released), m.begins, NULL, NULL, NULL
  FROM month m, said s WHERE NOT s.by_day OR m.is_least
  UNION ALL
  SELECT c.number_id, c.kind, c.begins, c.ends, c.due, c.owned_on, c.owned_on,
         c.begins - c.month_begins, c.ends - c.month_begins, c.whole
  FROM said s, LATERAL (
    WITH piece AS (
      SELECT m.number_id, m.begins AS month_begins, m.ends AS month_ends, m.whole,
             least(m.ends, m.released + 1) AS held_until, cut.day AS begins,
             lead(cut.day, 1, least(m.ends, m.released + 1)) OVER (PARTITION BY m.number_id, m.begins ORDER BY cut.day)
               AS ends
      FROM month m, LATERAL (
        SELECT m.begins AS day
        UNION
        SELECT o.owned_from FROM owned o WHERE o.number_id = m.number_id AND o.owned_from > m.begins
          AND o.owned_from < least(m.ends, m.released + 1)
        UNION
        SELECT v.since FROM in_force v WHERE m.price_monthly IS NULL AND (v.o, v.t, v.a) = (m.o, m.t, m.a)
          AND v.since > m.begins AND v.since < least(m.ends, m.released + 1)
      ) cut
      WHERE NOT m.is_least
    )
    SELECT p.number_id, 'part' AS kind, p.month_begins, p.begins, p.whole, p.begins AS owned_on,
           CASE WHEN s.in_arrears THEN p.ends ELSE p.month_ends END AS ends,
           CASE WHEN s.in_arrears THEN p.held_until ELSE p.begins END AS due
    FROM piece p
    UNION ALL
    SELECT p.number_id, 'credit', p.month_begins, p.ends, p.whole, p.begins, p.month_ends, p.ends
    FROM piece p WHERE NOT s.in_arrears AND p.ends < p.month_ends
  ) c
  WHERE s.by_day
), priced_at AS (
  SELECT w.*, coalesce(v.id, CASE WHEN l.price_monthly IS NOT NULL THEN l.number_id END) AS price_id,
         coalesce(l.price_setup, v.setup) AS setup, coalesce(l.price_monthly, v.monthly) AS monthly,
         coalesce(l.price_currency, v.currency) AS currency
  FROM wanted w
  JOIN life l ON l.number_id = w.number_id
  LEFT JOIN in_force v ON l.price_monthly IS NULL AND v.o = l.o AND v.t = l.t AND v.a = l.a
                      AND v.since <= w.priced_on AND w.priced_on < v.until
  WHERE w.due >= lo AND w.due < hi
)
SELECT w.number_id, w.kind, w.begins, w.ends, w.due,
       CASE w.kind WHEN 'setup' THEN w.setup WHEN 'month' THEN w.monthly
         ELSE (CASE w.kind WHEN 'part' THEN 1 ELSE -1 END)
              * (half_even(w.monthly * w.cut_to, w.whole) - half_even(w.monthly * w.cut_from, w.whole)) END,
       w.currency, w.price_id, o.tenant_id, o.organization_id, o.user_id, o.holder_user_id, o.cost_center, o.tags
FROM priced_at w
JOIN owned o ON o.number_id = w.number_id AND o.owned_from <= w.owned_on AND w.owned_on < o.owned_until
WHERE w.kind <> 'setup' OR w.setup IS DISTINCT FROM 0
$$
