-- Which of these keys are of no tenant, and of what kind: so much of who did something is told to a tenant.
CREATE FUNCTION staff_among(asked uuid[]) RETURNS TABLE (id uuid, kind text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT k.id, k.kind FROM api_keys k WHERE k.id = ANY (asked) AND k.tenant_id IS NULL
$$
