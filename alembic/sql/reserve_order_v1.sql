-- Reserve all purchases of an order at once, `counts[n]` of them for `owners[n]`, in every quota that they count in; or
-- none: NG001, as reserve_quota raises it, where `asked` is what all of them need. Limits of what may be under way at one
-- time are looked at when each is sent; here only that they allow any.
-- Answers {counted_at, standing, shadow}: when all of them count, which is later than `at` where a day has begun by the
-- row and not by the clock; every limit, as it stands without the order; and those in shadow mode that would refuse.
-- With `dry` nothing is reserved. The order's items are not there yet.
CREATE FUNCTION reserve_order(
  tenant text, org text, owners text[], counts bigint[], price bigint, at timestamptz, dry boolean
) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  q         quotas;
  one       record;
  word      jsonb;
  many      bigint;
  refusals  jsonb := '[]';
  standing  jsonb := '[]';
  shadow    jsonb := '[]';
  every     quotas[];
  counts_at timestamptz := at;
  tenants_revision bigint;
BEGIN
  SELECT array_agg(o) INTO every FROM quotas_of_all(tenant, org, owners) o;
  -- What is checked in a period counts in it.
  FOREACH q IN ARRAY coalesce(every, '{}') LOOP
    IF (counts_at AT TIME ZONE q.time_zone)::date < q.day THEN
      counts_at := q.day::timestamp AT TIME ZONE q.time_zone;
    END IF;
  END LOOP;
  FOREACH q IN ARRAY coalesce(every, '{}') LOOP
    many := CASE WHEN q.scope = 'user' THEN counts[array_position(owners, q.user_id)]
                 ELSE (SELECT sum(c) FROM unnest(counts) c) END;
    q := rolled(q, counts_at);
    FOR one IN SELECT * FROM quota_limits(q, at, gen_random_uuid(), price) LOOP
      EXIT WHEN q.mode = 'off';
      IF one.name IN ('doubts_open', 'concurrent_creates', 'requests_per_second') THEN
        CONTINUE WHEN one.allowed > 0;
      ELSE
        one.needs := one.needs * many;
      END IF;
      word := quota_word(q, one.name, one.allowed, one.used, one.reserved, one.needs, one.resets_at);
      standing := standing || word;
      CONTINUE WHEN one.remains >= one.needs;
      IF q.mode = 'shadow' THEN
        shadow := shadow || word;
      ELSE
        refusals := refusals || jsonb_build_object('word', word, 'left', one.remains - one.needs, 'rank', one.rank);
      END IF;
    END LOOP;
    IF q.scope = 'tenant' THEN
      tenants_revision := q.revision;
    END IF;
    CONTINUE WHEN dry;
    UPDATE quotas t SET used = q.used, reserved = q.reserved, ordered = q.ordered + many, releases = q.releases,
        day = q.day, day_used = q.day_used, day_reserved = q.day_reserved + many,
        month = q.month, month_used = q.month_used, month_reserved = q.month_reserved + many, revision = q.revision + 1
      WHERE (t.scope, t.tenant_id, t.organization_id, t.user_id) = (q.scope, q.tenant_id, q.organization_id, q.user_id);
  END LOOP;
  IF refusals <> '[]' OR tenants_revision IS NULL THEN
    SELECT jsonb_agg(r->'word' ORDER BY (r->>'left')::bigint, (r->>'rank')::integer, n) INTO refusals
      FROM jsonb_array_elements(refusals) WITH ORDINALITY AS o (r, n);
    RAISE EXCEPTION 'quota exceeded' USING ERRCODE = 'NG001',
      DETAIL = (refusals->0 || jsonb_build_object('revision', tenants_revision, 'also', refusals - 0))::text;
  END IF;
  RETURN jsonb_build_object('counted_at', counts_at, 'standing', standing, 'shadow', shadow);
END $$
