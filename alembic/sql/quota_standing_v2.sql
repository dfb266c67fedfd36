-- Every limit of a scope and its use at this moment, as quota_limits has it; of a scope that has no limits, its use all
-- the same. `price` is what a purchase is reckoned at, in micro-units.
--
-- Nobody keeps the count of all where all have no limit, and to count every number takes seconds of millions. Each
-- tenant's is kept, so they are added up, each in the day and the month of its own time zone.
CREATE OR REPLACE FUNCTION quota_standing(kind text, tenant text, org text, owner text, price bigint) RETURNS TABLE (
  name text, allowed bigint, used bigint, reserved bigint, remains bigint, resets_at timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  q quotas;
BEGIN
  IF current_setting('numbergate.duty', true) IS DISTINCT FROM 'admin'
     AND current_setting('role', true) IS DISTINCT FROM 'numbergate_worker'
     AND (kind <> 'tenant' OR tenant IS DISTINCT FROM nullif(current_setting('numbergate.tenant_id', true), '')) THEN
    RAISE EXCEPTION 'these limits are not this tenant''s';
  END IF;
  SELECT * INTO q FROM quotas t
    WHERE (t.scope, t.tenant_id, t.organization_id, t.user_id) = (kind, tenant, org, owner);
  IF NOT FOUND THEN
    SELECT kind, tenant, org, owner, 'UTC' INTO q.scope, q.tenant_id, q.organization_id, q.user_id, q.time_zone;
    IF kind = 'deployment' THEN
      q.day := (clock_timestamp() AT TIME ZONE q.time_zone)::date;
      q.month := date_trunc('month', q.day)::date;
      SELECT coalesce(sum(r.used), 0), coalesce(sum(r.reserved), 0), coalesce(sum(r.ordered), 0),
             coalesce(sum(r.releases), 0), coalesce(sum(r.day_used), 0), coalesce(sum(r.day_reserved), 0),
             coalesce(sum(r.month_used), 0), coalesce(sum(r.month_reserved), 0)
        INTO q.used, q.reserved, q.ordered, q.releases, q.day_used, q.day_reserved, q.month_used, q.month_reserved
        FROM quotas t, LATERAL rolled(t, clock_timestamp()) r WHERE t.scope = 'tenant';
    END IF;
  END IF;
  RETURN QUERY SELECT l.name, l.allowed, l.used, l.reserved, l.remains, l.resets_at
    FROM quota_limits(rolled(q, clock_timestamp()), clock_timestamp(), NULL, price) l ORDER BY l.rank, l.name;
END $$
