-- Is this the server that the ledger was written on last? Asked by every new connection before it is used, for whatever
-- puts a server back to an earlier moment, or another in its place, breaks all connections to it. A server restored from
-- a base backup, or promoted, is on a new timeline; one that was filled from a dump has another identifier.
-- Answers whether it is not: then a recovery has begun.
CREATE FUNCTION notice_restore() RETURNS boolean
LANGUAGE plpgsql SECURITY INVOKER AS $$
DECLARE
  here text;
  was  text;
BEGIN
  IF pg_is_in_recovery() THEN
    RETURN false;
  END IF;
  SELECT system_identifier || '/' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) INTO here
    FROM pg_control_system();
  IF here = (SELECT server FROM version) THEN
    RETURN false;
  END IF;
  -- Of those who come at once, the first one writes.
  SELECT server INTO was FROM version FOR UPDATE;
  IF was = here THEN
    RETURN false;
  END IF;
  UPDATE version SET server = here;
  IF was IS NULL THEN
    RETURN false;
  END IF;
  PERFORM begin_recovery('database', format('The database was restored, or failed over: it was on %s and is on %s.',
                                            was, here));
  RETURN true;
END $$
