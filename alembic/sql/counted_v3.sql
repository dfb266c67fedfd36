-- A quota whose counters are those of its rows, as the calling statement sees them, for the day and month it is in.
-- A purchase counts in the period it was admitted in, or, of an order, in that in which the order was; a release in that
-- in which it was asked for, unless it was taken back: by the date that a moment has in the quota's time zone, wherever
-- and however often its midnight comes. The ranges are for the indexes: nothing is sent before it was ordered.
CREATE OR REPLACE FUNCTION counted(q quotas) RETURNS quotas
LANGUAGE plpgsql STABLE SECURITY INVOKER AS $$
DECLARE
  ordered_today bigint;
  ordered_this_month bigint;
  covered text := CASE q.scope
    WHEN 'tenant' THEN 'x.tenant_id = $1'
    WHEN 'organization' THEN 'x.organization_id = $2'
    WHEN 'user' THEN 'x.organization_id = $2 AND x.user_id = $3'
    ELSE 'true' END;
  began timestamptz := (least(q.day, q.month)::timestamp AT TIME ZONE q.time_zone) - interval '3 hours';
  ends  timestamptz := greatest(q.day + interval '1 day', q.month + interval '1 month') AT TIME ZONE q.time_zone
                       + interval '3 hours';
BEGIN
  EXECUTE 'SELECT count(*) FROM numbers x WHERE ' || covered
    || ' AND x.state IN (''active'', ''release_scheduled'', ''releasing'')'
    INTO q.used USING q.tenant_id, q.organization_id, q.user_id;
  -- As two conditions, each of which has an index.
  EXECUTE 'SELECT count(*) FROM intents x WHERE ' || covered
    || ' AND (x.state = ''sending'' OR x.state IN (''doubtful'', ''unresolved''))'
    INTO q.reserved USING q.tenant_id, q.organization_id, q.user_id;
  -- What an order waits to send. It may yet be bought, and counts in its periods already.
  EXECUTE 'SELECT count(*), count(*) FILTER (WHERE at.date = $5), count(*) FILTER (WHERE date_trunc(''month'', at.date)::date = $6)'
    || ' FROM order_items x, LATERAL (SELECT (x.counted_at AT TIME ZONE $4)::date AS date) at'
    || ' WHERE x.outcome = ''waiting'' AND x.counted_at IS NOT NULL AND ' || covered
    INTO q.ordered, ordered_today, ordered_this_month
    USING q.tenant_id, q.organization_id, q.user_id, q.time_zone, q.day, q.month;
  EXECUTE 'SELECT count(*) FILTER (WHERE x.state = ''owned'' AND today), count(*) FILTER (WHERE x.state <> ''owned'' AND today),'
    || ' count(*) FILTER (WHERE x.state = ''owned'' AND this_month), count(*) FILTER (WHERE x.state <> ''owned'' AND this_month)'
    || ' FROM intents x, LATERAL (SELECT (coalesce(x.counted_at, x.admitted_at) AT TIME ZONE $6)::date AS date) at,'
    || ' LATERAL (SELECT at.date = $7 AS today, date_trunc(''month'', at.date)::date = $8 AS this_month) period'
    || ' WHERE x.state <> ''refused'' AND x.admitted_at >= $4 AND coalesce(x.counted_at, x.admitted_at) < $5 AND ' || covered
    INTO q.day_used, q.day_reserved, q.month_used, q.month_reserved
    USING q.tenant_id, q.organization_id, q.user_id, began, ends, q.time_zone, q.day, q.month;
  q.day_reserved := q.day_reserved + ordered_today;
  q.month_reserved := q.month_reserved + ordered_this_month;
  EXECUTE 'SELECT count(*) FROM steps s JOIN numbers x ON x.id = s.number_id WHERE s.kind = ''release'' AND s.state <> ''cancelled'''
    || ' AND s.created_at >= $4 AND s.created_at < $5'
    || ' AND date_trunc(''month'', s.created_at AT TIME ZONE $6)::date = $7 AND ' || covered
    INTO q.releases USING q.tenant_id, q.organization_id, q.user_id, began, ends, q.time_zone, q.month;
  RETURN q;
END $$
