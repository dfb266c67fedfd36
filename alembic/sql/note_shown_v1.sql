-- Over which time listings showed a row, as evidence of possession: begun when it is first shown, ended by the complete
-- listing that lacks it, begun anew when it is back. A listing that changes nothing writes nothing.
CREATE FUNCTION note_shown() RETURNS trigger
LANGUAGE plpgsql SECURITY INVOKER SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO possession (account_id, row_id, phone_number, shown_from, last_shown_at, gone_at)
    SELECT n.account_id, n.row_id, n.phone_number, n.first_seen_at,
           CASE WHEN n.gone_at IS NOT NULL THEN n.first_seen_at END, n.gone_at
    FROM new_rows n
    ON CONFLICT DO NOTHING;
    RETURN NULL;
  END IF;
  UPDATE possession p
  SET gone_at = n.gone_at,
      last_shown_at = greatest(p.shown_from, (
        SELECT max(l.began_at) FROM listings l
        WHERE l.account_id = o.account_id AND l.organization_id = o.organization_id AND l.complete
          AND l.began_at < n.gone_at))
  FROM old_rows o JOIN new_rows n USING (account_id, row_id)
  WHERE o.gone_at IS NULL AND n.gone_at IS NOT NULL
    AND p.account_id = n.account_id AND p.row_id = n.row_id AND p.gone_at IS NULL;
  INSERT INTO possession (account_id, row_id, phone_number, shown_from)
  SELECT n.account_id, n.row_id, n.phone_number,
         coalesce((SELECT max(l.began_at) FROM listings l
                   WHERE l.account_id = n.account_id AND l.organization_id = n.organization_id), clock_timestamp())
  FROM old_rows o JOIN new_rows n USING (account_id, row_id)
  WHERE o.gone_at IS NOT NULL AND n.gone_at IS NULL
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$
