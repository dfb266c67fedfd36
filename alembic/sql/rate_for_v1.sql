-- How many requests the tenant of a key may make: asked together with principal_for, before the tenant is known. One row
-- or none, by the key's keyed hash.
CREATE FUNCTION rate_for(wanted bytea) RETURNS TABLE (requests_per_second double precision, burst bigint, mode text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT q.requests_per_second, q.burst, q.mode
  FROM api_keys k JOIN quotas q ON q.scope = 'tenant' AND q.tenant_id = k.tenant_id
  WHERE k.hash = wanted
$$
