-- A number is about to be given back, as its tenant asks or (`asked` false) as somebody decided who is held to no limit.
-- `at` is when that was asked for; its row is there already. Raises NG001, as reserve_quota, where no more may be in
-- this month. Answers the limits that would have refused, were they enforced.
CREATE FUNCTION count_release(tenant text, org text, owner text, asked boolean, at timestamptz) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  q      quotas;
  word   jsonb;
  shadow jsonb := '[]';
BEGIN
  FOR q IN SELECT * FROM quotas_of(tenant, org, owner) LOOP
    IF q.day IS NULL THEN
      -- Counted for the first time, with this release's own row among the rest.
      q := rolled(q, at);
      q.releases := q.releases - 1;
    ELSE
      q := rolled(q, at);
    END IF;
    IF asked AND q.releases >= q.releases_per_month AND q.mode <> 'off' THEN
      word := quota_word(q, 'releases_per_month', q.releases_per_month, q.releases, 0, 1,
                         (q.month + interval '1 month') AT TIME ZONE q.time_zone);
      IF q.mode = 'enforced' THEN
        RAISE EXCEPTION 'quota exceeded' USING ERRCODE = 'NG001', DETAIL = word::text;
      END IF;
      shadow := shadow || word;
    END IF;
    UPDATE quotas t SET used = q.used, reserved = q.reserved, day = q.day,
        day_used = q.day_used, day_reserved = q.day_reserved, month = q.month, month_used = q.month_used,
        month_reserved = q.month_reserved,
        releases = q.releases + (q.month = date_trunc('month', at AT TIME ZONE q.time_zone)::date)::integer,
        revision = q.revision + 1
      WHERE (t.scope, t.tenant_id, t.organization_id, t.user_id) = (q.scope, q.tenant_id, q.organization_id, q.user_id);
  END LOOP;
  RETURN shadow;
END $$
