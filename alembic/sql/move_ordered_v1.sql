-- What an order reserved and does not send any more is given back (`by` is -1); or what an intent of it gave back, when
-- it was refused, is the order's again, so that the item may be asked for otherwise (1). All of it counts at `counted`.
CREATE FUNCTION move_ordered(
  tenant text, org text, owners text[], counts bigint[], counted timestamptz, by integer
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  q        quotas;
  that_day date;
  many     bigint;
BEGIN
  IF by NOT IN (1, -1) THEN
    RAISE EXCEPTION 'it is given back, or taken again';
  END IF;
  FOR q IN SELECT * FROM quotas_of_all(tenant, org, owners) LOOP
    -- What was never counted is counted from its rows.
    CONTINUE WHEN q.day IS NULL;
    many := by * CASE WHEN q.scope = 'user' THEN counts[array_position(owners, q.user_id)]
                      ELSE (SELECT sum(c) FROM unnest(counts) c) END;
    that_day := (counted AT TIME ZONE q.time_zone)::date;
    UPDATE quotas t SET ordered = greatest(t.ordered + many, 0),
        day_reserved = CASE WHEN t.day = that_day THEN greatest(t.day_reserved + many, 0) ELSE t.day_reserved END,
        month_reserved = CASE WHEN t.month = date_trunc('month', that_day)::date
                              THEN greatest(t.month_reserved + many, 0) ELSE t.month_reserved END,
        revision = t.revision + 1
      WHERE (t.scope, t.tenant_id, t.organization_id, t.user_id) = (q.scope, q.tenant_id, q.organization_id, q.user_id);
  END LOOP;
END $$
