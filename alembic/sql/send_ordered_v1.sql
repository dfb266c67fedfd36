-- One item of an order is sent: what the order reserved for it is the intent's from now on. The intent's row is there,
-- and the item waits no more. In its periods it counted at `counted`, and goes on to.
-- Raises NG001, as reserve_quota, and nothing is changed: where a limit was lowered, or what always counts came between,
-- so that the order's reservations pass it; and where of what may be under way at one time there is enough.
CREATE FUNCTION send_ordered(
  tenant text, org text, owner text, intent uuid, counted timestamptz, price bigint, at timestamptz
) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  q         quotas;
  one       record;
  word      jsonb;
  that_day  date;
  refusals  jsonb := '[]';
  shadow    jsonb := '[]';
  tenants_revision bigint;
BEGIN
  FOR q IN SELECT * FROM quotas_of(tenant, org, owner) LOOP
    IF q.day IS NULL THEN
      -- Counted for the first time, with the intent among the rest.
      q := rolled(q, at);
      q.reserved := q.reserved - 1;
      q.ordered := q.ordered + 1;
    ELSE
      q := rolled(q, at);
    END IF;
    that_day := (counted AT TIME ZONE q.time_zone)::date;
    FOR one IN SELECT * FROM quota_limits(q, at, intent, price) LOOP
      EXIT WHEN q.mode = 'off';
      -- Of these the item's own part is reserved, in the period that it counts in.
      IF one.name = 'numbers_held' OR (one.name = 'purchases_per_day' AND q.day = that_day)
         OR (one.name IN ('purchases_per_month', 'spend_per_month') AND q.month = date_trunc('month', that_day)::date) THEN
        CONTINUE WHEN one.remains >= 0;
      ELSIF one.name IN ('doubts_open', 'concurrent_creates', 'requests_per_second') THEN
        CONTINUE WHEN one.remains >= 1;
      ELSE
        CONTINUE;
      END IF;
      word := quota_word(q, one.name, one.allowed, one.used, one.reserved, one.needs, one.resets_at);
      IF q.mode = 'shadow' THEN
        shadow := shadow || word;
      ELSE
        refusals := refusals || jsonb_build_object('word', word, 'rank', one.rank);
      END IF;
    END LOOP;
    IF q.scope = 'tenant' THEN
      tenants_revision := q.revision;
    END IF;
    UPDATE quotas t SET used = q.used, reserved = q.reserved + 1, ordered = greatest(q.ordered - 1, 0),
        releases = q.releases, day = q.day, day_used = q.day_used, day_reserved = q.day_reserved,
        month = q.month, month_used = q.month_used, month_reserved = q.month_reserved, revision = q.revision + 1,
        arrival = CASE WHEN q.scope <> 'tenant' AND q.requests_per_second > 0
          THEN least(greatest(q.arrival, at) + make_interval(secs => 1 / q.requests_per_second),
                     at + make_interval(secs => coalesce(q.burst, ceil(q.requests_per_second)) / q.requests_per_second))
          ELSE q.arrival END
      WHERE (t.scope, t.tenant_id, t.organization_id, t.user_id) = (q.scope, q.tenant_id, q.organization_id, q.user_id);
  END LOOP;
  IF refusals <> '[]' OR tenants_revision IS NULL THEN
    SELECT jsonb_agg(r->'word' ORDER BY (r->>'rank')::integer, n) INTO refusals
      FROM jsonb_array_elements(refusals) WITH ORDINALITY AS o (r, n);
    RAISE EXCEPTION 'quota exceeded' USING ERRCODE = 'NG001',
      DETAIL = (refusals->0 || jsonb_build_object('revision', tenants_revision, 'also', refusals - 0))::text;
  END IF;
  RETURN jsonb_build_object('revision', tenants_revision + 1, 'tightest', NULL, 'shadow', shadow, 'admitted_at', NULL);
END $$
