-- Keys were used: id, when, and from where, side by side. The only change to a key that is nobody's in particular; when it
-- was last used moves forward alone, never past now. Rows are locked in one order, for several processes tell at once.
CREATE FUNCTION keys_used(ids uuid[], moments timestamptz[], addresses text[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH used AS (
    SELECT u.id, least(u.moment, clock_timestamp()) AS moment, u.address
    FROM unnest(ids, moments, addresses) AS u(id, moment, address)
  ), locked AS (
    SELECT k.id FROM api_keys k JOIN used u ON u.id = k.id ORDER BY k.id FOR NO KEY UPDATE OF k
  )
  UPDATE api_keys k SET last_used_at = u.moment, last_used_from = u.address
  FROM used u JOIN locked l ON l.id = u.id
  WHERE k.id = u.id AND (k.last_used_at IS NULL OR k.last_used_at < u.moment)
$$
