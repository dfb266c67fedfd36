-- Reserve one purchase in every quota that it counts in. All of their limits are looked at; of those that refuse, the
-- one with the least left is named, and of equal ones that which lasts longest: NG001, whose DETAIL is as quota_word has
-- it, with `revision`, the tenant's, and `also`, the others in the same order; then nothing is reserved.
-- Answers {revision, tightest, shadow, admitted_at}: of the enforced limits the one with the fewest purchases left now,
-- with `left`; those that would have refused, were they enforced; and `admitted_at`, where the purchase counts in a day that has begun
-- by the row and not by the clock: then that is when it was admitted. `at` is when it was by the clock; its intent's row
-- is there already.
CREATE FUNCTION reserve_quota(tenant text, org text, owner text, intent uuid, price bigint, at timestamptz) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  q         quotas;
  one       record;
  word      jsonb;
  purchases bigint;
  refusals  jsonb := '[]';
  tightest  jsonb;
  least     bigint;
  shadow    jsonb := '[]';
  every     quotas[];
  counts_at timestamptz := at;
  tenants_revision bigint;
BEGIN
  SELECT array_agg(o) INTO every FROM quotas_of(tenant, org, owner) o;
  -- The clock may have gone back, or others have been quicker at midnight. What is checked in a period counts in it.
  FOREACH q IN ARRAY coalesce(every, '{}') LOOP
    IF (counts_at AT TIME ZONE q.time_zone)::date < q.day THEN
      counts_at := q.day::timestamp AT TIME ZONE q.time_zone;
    END IF;
  END LOOP;
  FOREACH q IN ARRAY coalesce(every, '{}') LOOP
    IF q.day IS NULL THEN
      -- Counted for the first time, with the intent's own row among the rest.
      q := rolled(q, counts_at);
      q.reserved := q.reserved - 1;
      q.day_reserved := q.day_reserved - 1;
      q.month_reserved := q.month_reserved - 1;
    ELSE
      q := rolled(q, counts_at);
    END IF;
    FOR one IN SELECT * FROM quota_limits(q, at, intent, price) LOOP
      EXIT WHEN q.mode = 'off';
      word := quota_word(q, one.name, one.allowed, one.used, one.reserved, one.needs, one.resets_at);
      purchases := (one.remains - one.needs) / greatest(one.needs, 1);
      IF one.remains >= one.needs THEN
        IF q.mode = 'enforced' AND (least IS NULL OR purchases < least) THEN
          least := purchases;
          tightest := word || jsonb_build_object('left', one.remains - one.needs);
        END IF;
      ELSIF q.mode = 'shadow' THEN
        shadow := shadow || word;
      ELSE
        refusals := refusals || jsonb_build_object('word', word, 'left', purchases, 'rank', one.rank);
      END IF;
    END LOOP;
    IF q.scope = 'tenant' THEN
      tenants_revision := q.revision;
    END IF;
    UPDATE quotas t SET used = q.used, reserved = q.reserved + 1, releases = q.releases,
        day = q.day, day_used = q.day_used, day_reserved = q.day_reserved + 1,
        month = q.month, month_used = q.month_used, month_reserved = q.month_reserved + 1, revision = q.revision + 1,
        arrival = CASE WHEN q.scope <> 'tenant' AND q.requests_per_second > 0
          -- Never further ahead than a burst: what was let through beyond it, in shadow, is no debt.
          THEN least(greatest(q.arrival, at) + make_interval(secs => 1 / q.requests_per_second),
                     at + make_interval(secs => coalesce(q.burst, ceil(q.requests_per_second)) / q.requests_per_second))
          ELSE q.arrival END
      WHERE (t.scope, t.tenant_id, t.organization_id, t.user_id) = (q.scope, q.tenant_id, q.organization_id, q.user_id);
  END LOOP;
  IF refusals <> '[]' OR tenants_revision IS NULL THEN
    SELECT jsonb_agg(r->'word' ORDER BY (r->>'left')::bigint, (r->>'rank')::integer, n) INTO refusals
      FROM jsonb_array_elements(refusals) WITH ORDINALITY AS o (r, n);
    RAISE EXCEPTION 'quota exceeded' USING ERRCODE = 'NG001',
      DETAIL = (refusals->0 || jsonb_build_object('revision', tenants_revision, 'also', refusals - 0))::text;
  END IF;
  RETURN jsonb_build_object('revision', tenants_revision + 1, 'tightest', tightest, 'shadow', shadow,
                            'admitted_at', CASE WHEN counts_at > at THEN counts_at END);
END $$
