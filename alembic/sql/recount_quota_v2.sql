-- Bring the counters of a quota, whose row or table the caller has locked, to what they count.
CREATE OR REPLACE FUNCTION recount_quota(kind text, tenant text, org text, owner text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  q quotas;
BEGIN
  IF current_setting('numbergate.duty', true) IS DISTINCT FROM 'admin'
     AND current_setting('role', true) IS DISTINCT FROM 'numbergate_worker' THEN
    RAISE EXCEPTION 'a tenant counts nothing anew';
  END IF;
  SELECT * INTO STRICT q FROM quotas t
    WHERE (t.scope, t.tenant_id, t.organization_id, t.user_id) = (kind, tenant, org, owner) FOR UPDATE;
  q := counted(rolled(q, clock_timestamp()));
  UPDATE quotas t SET used = q.used, reserved = q.reserved, ordered = q.ordered, releases = q.releases, day = q.day,
      day_used = q.day_used, day_reserved = q.day_reserved, month = q.month, month_used = q.month_used,
      month_reserved = q.month_reserved, revision = q.revision + 1
    WHERE (t.scope, t.tenant_id, t.organization_id, t.user_id) = (kind, tenant, org, owner);
END $$
