-- By what other tenant_ids the holder of a key may be known at Teli: those of the accounts that organisations granted to
-- its tenant have of their own. Asked together with principal_for, before the tenant is known. One row or none, by the
-- key's keyed hash.
CREATE FUNCTION teli_tenants_for(wanted bytea) RETURNS TABLE (teli_tenant_ids text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT coalesce((SELECT array_agg(DISTINCT a.teli_tenant_id)
                   FROM grants g JOIN organizations o ON o.id = g.organization_id JOIN accounts a ON a.id = o.account_id
                   WHERE g.tenant_id = k.tenant_id), '{}')
  FROM api_keys k WHERE k.hash = wanted
$$
