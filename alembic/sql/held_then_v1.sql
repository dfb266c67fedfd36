-- Whether a number of anybody's was held at a moment by this account: a tenant sees its own alone, and Teli sells to all.
CREATE FUNCTION held_then(account uuid, wanted text, moment timestamptz) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT EXISTS (SELECT FROM numbers n WHERE n.account_id = account AND n.phone_number = wanted
                 AND n.acquired_at <= moment AND (n.released_at IS NULL OR n.released_at > moment))
$$
