-- A purchase that a restore lost is a doubt again, and reserves what it will count for: past a limit too, for its number
-- exists already.
CREATE FUNCTION reserve_restored(tenant text, org text, owner text, admitted timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  q         quotas;
  that_day  date;
BEGIN
  FOR q IN SELECT * FROM quotas_of(tenant, org, owner) LOOP
    that_day := (admitted AT TIME ZONE q.time_zone)::date;
    UPDATE quotas t SET reserved = t.reserved + 1,
        day_reserved = t.day_reserved + (q.day IS NOT DISTINCT FROM that_day)::integer,
        month_reserved = t.month_reserved + (q.month IS NOT DISTINCT FROM date_trunc('month', that_day)::date)::integer,
        revision = t.revision + 1
      WHERE (t.scope, t.tenant_id, t.organization_id, t.user_id) = (q.scope, q.tenant_id, q.organization_id, q.user_id);
  END LOOP;
END $$
