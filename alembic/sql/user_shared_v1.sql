-- Whose numbers a user of an organisation owns: 'none' of this tenant's, 'own' alone, or 'shared' with other tenants'.
CREATE FUNCTION user_shared(asker text, organization text, owner text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT CASE WHEN NOT coalesce(bool_or(n.tenant_id = asker), false) THEN 'none'
              WHEN bool_or(n.tenant_id <> asker) THEN 'shared' ELSE 'own' END
  FROM numbers n WHERE n.organization_id = organization AND n.user_id = owner
$$
