-- The one question the api role may ask before it knows its tenant. One row or none, by the key's keyed hash.
CREATE FUNCTION principal_for(wanted bytea) RETURNS TABLE (
  key_id uuid, kind text, tenant_id text, tenant_state text, tag text, teli_tenant_id text, account_id uuid, organization_ids text[],
  sees text[], scopes text[], idempotency_required boolean, expires_at timestamptz, revoked_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT k.id, k.kind, k.tenant_id, t.state, t.tag, a.teli_tenant_id, a.id,
         coalesce((SELECT array_agg(g.organization_id ORDER BY g.organization_id)
                   FROM grants g WHERE g.tenant_id = k.tenant_id), '{}'),
         k.sees, k.scopes, coalesce(t.idempotency_required, false), k.expires_at, k.revoked_at
  FROM api_keys k
  LEFT JOIN tenants t ON t.id = k.tenant_id
  LEFT JOIN accounts a ON a.id = t.account_id
  WHERE k.hash = wanted
$$
