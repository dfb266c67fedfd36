-- Had a listing that was over before a moment shown this row, which does not carry this mark?
CREATE FUNCTION listed_before(seen upstream_rows, moment timestamptz, its_mark text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT seen.first_seen_at < moment
     AND left(ltrim(coalesce(seen.nickname, '')), 15) <> rtrim(its_mark)
     -- One that began before and ended since may have seen what was bought in between.
     AND NOT EXISTS (SELECT FROM listings l WHERE l.account_id = seen.account_id
                     AND l.organization_id = seen.organization_id AND l.began_at = seen.first_seen_at
                     AND l.ended_at > moment)
$$
