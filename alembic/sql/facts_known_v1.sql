-- The place of the last fact, when none that has an earlier one can still be committed: it waits for those under way.
CREATE FUNCTION facts_known() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  LOCK TABLE number_facts IN SHARE MODE;
  RETURN coalesce((SELECT max(seq) FROM number_facts), 0);
END $$
