-- One number more or one less is held; past a limit too, for what is counted here exists already.
CREATE FUNCTION count_held(tenant text, org text, owner text, change integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  q quotas;
BEGIN
  IF change NOT IN (1, -1) THEN
    RAISE EXCEPTION 'numbers are counted one by one';
  END IF;
  FOR q IN SELECT * FROM quotas_of(tenant, org, owner) LOOP
    UPDATE quotas t SET used = greatest(t.used + change, 0), revision = t.revision + 1
      WHERE (t.scope, t.tenant_id, t.organization_id, t.user_id) = (q.scope, q.tenant_id, q.organization_id, q.user_id);
  END LOOP;
END $$
