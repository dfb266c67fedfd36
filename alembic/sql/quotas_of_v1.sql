-- The quotas that something of this owner counts in, as far as they exist, locked until the commit. In one order, so
-- that nobody waits for one another, and those that most share last, so that they are held for the shortest time.
CREATE FUNCTION quotas_of(tenant text, org text, owner text) RETURNS SETOF quotas
LANGUAGE plpgsql SECURITY INVOKER AS $$
BEGIN
  IF tenant IS DISTINCT FROM nullif(current_setting('numbergate.tenant_id', true), '')
     AND current_setting('role', true) <> 'numbergate_worker' THEN
    RAISE EXCEPTION 'a transaction of one tenant counts nothing of another';
  END IF;
  -- Who files a limit where there was none holds the table until its counters are exact. The next statement sees it.
  LOCK TABLE quotas IN ROW EXCLUSIVE MODE;
  RETURN QUERY SELECT * FROM quotas q WHERE (q.scope, q.tenant_id, q.organization_id, q.user_id) IN (
      ('user', '', org, owner), ('tenant', tenant, '', ''), ('organization', '', org, ''), ('deployment', '', '', ''))
    ORDER BY array_position(ARRAY['user', 'tenant', 'organization', 'deployment'], q.scope) FOR UPDATE;
END $$
