-- What a key is held to beside its scopes: asked together with principal_for, before the tenant is known. One row or none,
-- by the key's keyed hash; null is no limit.
CREATE FUNCTION limits_for(wanted bytea) RETURNS TABLE (only_organizations text[], only_users text[], only_networks text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT k.organization_ids, k.user_ids, k.networks FROM api_keys k WHERE k.hash = wanted
$$
