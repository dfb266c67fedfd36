-- A reserved purchase is decided: it counts as held, or no more. In the periods it was admitted in, where those last
-- still. A counter that has drifted stops no sale from being written; it is repaired by who compares them.
-- Answers the revision of the tenant's quota.
CREATE FUNCTION settle_quota(tenant text, org text, owner text, admitted timestamptz, owned boolean) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  q         quotas;
  that_day  date;
  bought    integer := owned::integer;
  today     integer;
  this_month integer;
  tenants_revision bigint;
BEGIN
  FOR q IN SELECT * FROM quotas_of(tenant, org, owner) LOOP
    that_day := (admitted AT TIME ZONE q.time_zone)::date;
    today := (q.day IS NOT DISTINCT FROM that_day)::integer;
    this_month := (q.month IS NOT DISTINCT FROM date_trunc('month', that_day)::date)::integer;
    UPDATE quotas t SET reserved = greatest(t.reserved - 1, 0), used = t.used + bought,
        day_reserved = greatest(t.day_reserved - today, 0), day_used = t.day_used + today * bought,
        month_reserved = greatest(t.month_reserved - this_month, 0), month_used = t.month_used + this_month * bought,
        revision = t.revision + 1
      WHERE (t.scope, t.tenant_id, t.organization_id, t.user_id) = (q.scope, q.tenant_id, q.organization_id, q.user_id);
    IF q.scope = 'tenant' THEN
      tenants_revision := q.revision + 1;
    END IF;
  END LOOP;
  RETURN tenants_revision;
END $$
