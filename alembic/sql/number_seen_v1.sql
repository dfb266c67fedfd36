-- When a number's row was listed: first, last, and since when it is not. Times only: listings are not the asker's.
-- Rows that are ours are kept apart only once they are gone.
CREATE FUNCTION number_seen(asked uuid, OUT first_seen_at timestamptz, OUT last_seen_at timestamptz,
                            OUT gone_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT n.confirmed_at,
         greatest(n.confirmed_at, (
           SELECT l.began_at FROM listings l
           WHERE l.account_id = n.account_id AND l.organization_id = n.organization_id AND l.complete
             AND l.began_at > n.confirmed_at AND l.began_at < coalesce(u.gone_at, n.released_at, 'infinity')
           ORDER BY l.began_at DESC LIMIT 1)),
         u.gone_at
  FROM numbers n
  LEFT JOIN upstream_rows u ON u.account_id = n.account_id AND u.row_id = n.upstream_row_id AND u.gone_at IS NOT NULL
  WHERE n.id = asked AND n.confirmed_at IS NOT NULL
$$
