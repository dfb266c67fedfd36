-- From here on nothing is bought, until a sweep has found what was bought after the moment that the ledger was put back
-- to. Begun anew, it begins from the start: sweeps before do not count.
-- Every process takes what it keeps of keys, grants and policies for old: no ledger before had so high a revision.
CREATE FUNCTION begin_recovery(by_whom text, why text) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER AS $$
BEGIN
  PERFORM set_config('numbergate.duty', 'admin', true);
  INSERT INTO stops (scope, id, reason, actor) VALUES ('global', 'recovering', why, by_whom)
    ON CONFLICT (scope, id) DO UPDATE
      SET at = clock_timestamp(), reason = excluded.reason, actor = excluded.actor;
  UPDATE version SET revision = greatest(revision + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint),
    updated_at = clock_timestamp();
  INSERT INTO audit (actor, action, object_kind, object_id, before, after)
    VALUES (by_whom, 'recovery.begun', 'global', '', '{"recovering": false}',
            jsonb_build_object('recovering', true, 'reason', why));
END $$
