-- As quotas_of, for several owners of one organisation, and in the same order. An administrator may give back what a
-- tenant has ordered.
CREATE FUNCTION quotas_of_all(tenant text, org text, owners text[]) RETURNS SETOF quotas
LANGUAGE plpgsql SECURITY INVOKER AS $$
BEGIN
  IF tenant IS DISTINCT FROM nullif(current_setting('numbergate.tenant_id', true), '')
     AND current_setting('numbergate.duty', true) IS DISTINCT FROM 'admin'
     AND current_setting('role', true) <> 'numbergate_worker' THEN
    RAISE EXCEPTION 'a transaction of one tenant counts nothing of another';
  END IF;
  LOCK TABLE quotas IN ROW EXCLUSIVE MODE;
  RETURN QUERY SELECT * FROM quotas q
    WHERE (q.scope, q.tenant_id, q.organization_id, q.user_id) IN (
        ('tenant', tenant, '', ''), ('organization', '', org, ''), ('deployment', '', '', ''))
      OR (q.scope = 'user' AND q.tenant_id = '' AND q.organization_id = org AND q.user_id = ANY (owners))
    ORDER BY array_position(ARRAY['user', 'tenant', 'organization', 'deployment'], q.scope), q.user_id FOR UPDATE;
END $$
