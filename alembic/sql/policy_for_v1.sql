-- What the policy of a key's tenant lets it buy and link: asked together with principal_for, before the tenant is known.
-- One row or none, by the key's keyed hash; null lists allow everything.
CREATE FUNCTION policy_for(wanted bytea) RETURNS TABLE (agents_allowed text[], area_codes_allowed text[], orphan_reuse boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT t.agents_allowed, t.area_codes_allowed, t.orphan_reuse
  FROM api_keys k JOIN tenants t ON t.id = k.tenant_id
  WHERE k.hash = wanted
$$
