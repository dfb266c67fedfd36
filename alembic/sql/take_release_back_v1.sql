-- A release, counted as of `at`, is not to be after all; its row says so already.
CREATE FUNCTION take_release_back(tenant text, org text, owner text, at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  q quotas;
  right_now timestamptz := clock_timestamp();
  uncounted boolean;
BEGIN
  FOR q IN SELECT * FROM quotas_of(tenant, org, owner) LOOP
    uncounted := q.day IS NULL;
    q := rolled(q, right_now);
    -- Counted for the first time, it is not among the rows.
    IF NOT uncounted AND q.month = date_trunc('month', at AT TIME ZONE q.time_zone)::date THEN
      q.releases := q.releases - 1;
    END IF;
    UPDATE quotas t SET used = q.used, reserved = q.reserved, day = q.day,
        day_used = q.day_used, day_reserved = q.day_reserved, month = q.month, month_used = q.month_used,
        month_reserved = q.month_reserved, releases = q.releases, revision = q.revision + 1
      WHERE (t.scope, t.tenant_id, t.organization_id, t.user_id) = (q.scope, q.tenant_id, q.organization_id, q.user_id);
  END LOOP;
END $$
