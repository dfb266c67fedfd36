-- The question of an access token that was verified before: what a key of this tenant would act with. One row or none.
-- It tells nothing that is secret, and no row of any other tenant.
CREATE FUNCTION tenant_named(wanted text) RETURNS TABLE (
  tenant_id text, tenant_state text, tag text, teli_tenant_id text, account_id uuid, organization_ids text[],
  idempotency_required boolean, requests_per_second double precision, burst bigint, mode text, teli_tenant_ids text[],
  agents_allowed text[], area_codes_allowed text[], orphan_reuse boolean
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT t.id, t.state, t.tag, a.teli_tenant_id, a.id,
         coalesce((SELECT array_agg(g.organization_id ORDER BY g.organization_id)
                   FROM grants g WHERE g.tenant_id = t.id), '{}'),
         t.idempotency_required, q.requests_per_second, q.burst, q.mode,
         coalesce((SELECT array_agg(DISTINCT own.teli_tenant_id)
                   FROM grants g JOIN organizations o ON o.id = g.organization_id JOIN accounts own ON own.id = o.account_id
                   WHERE g.tenant_id = t.id), '{}'),
         t.agents_allowed, t.area_codes_allowed, t.orphan_reuse
  FROM tenants t
  JOIN accounts a ON a.id = t.account_id
  LEFT JOIN quotas q ON q.scope = 'tenant' AND q.tenant_id = t.id
  WHERE t.id = wanted
$$
