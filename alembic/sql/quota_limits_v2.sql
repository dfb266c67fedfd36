-- The limits of a quota whose periods are rolled, with what counts towards each: those that an intent, which is being
-- admitted, must keep within; and with `intent` null all there are, whose `allowed` is null where nothing is set.
-- `remains` may be negative, for a limit may be lowered below its use; what is asked for needs `needs` of it. `rank`:
-- those that last longest first, whatever a caller does. Money is in micro-units; a limit of none lets nothing through,
-- whatever the price.
--
-- A purchase under way may yet end as a doubt, so it is reserved in doubts_open too. A tenant's requests are counted in
-- Redis, and not its purchases alone; in other scopes the row keeps the theoretical arrival time (GCRA).
--
-- In steps and not as one query, which would be planned anew for every admission while the row is locked.
CREATE OR REPLACE FUNCTION quota_limits(q quotas, at timestamptz, intent uuid, price bigint) RETURNS TABLE (
  name text, allowed bigint, used bigint, reserved bigint, needs bigint, remains bigint, resets_at timestamptz,
  rank integer
)
LANGUAGE plpgsql STABLE SECURITY INVOKER AS $$
DECLARE
  every   boolean := intent IS NULL;
  sending bigint;
  burst   bigint;
BEGIN
  needs := 1;
  IF every OR q.numbers_held IS NOT NULL THEN
    name := 'numbers_held'; rank := 4; allowed := q.numbers_held; used := q.used;
    reserved := q.reserved + q.ordered;
    remains := allowed - used - reserved;
    RETURN NEXT;
  END IF;
  resets_at := (q.month + interval '1 month') AT TIME ZONE q.time_zone;
  IF every OR q.spend_per_month IS NOT NULL THEN
    name := 'spend_per_month'; rank := 1; allowed := q.spend_per_month; needs := greatest(price, 1);
    used := q.month_used * price; reserved := q.month_reserved * price;
    remains := allowed - used - reserved;
    RETURN NEXT;
    needs := 1;
  END IF;
  IF every OR q.purchases_per_month IS NOT NULL THEN
    name := 'purchases_per_month'; rank := 2; allowed := q.purchases_per_month;
    used := q.month_used; reserved := q.month_reserved;
    remains := allowed - used - reserved;
    RETURN NEXT;
  END IF;
  IF every THEN
    name := 'releases_per_month'; rank := 2; allowed := q.releases_per_month; used := q.releases; reserved := 0;
    remains := allowed - used;
    RETURN NEXT;
  END IF;
  IF every OR q.purchases_per_day IS NOT NULL THEN
    name := 'purchases_per_day'; rank := 3; allowed := q.purchases_per_day;
    used := q.day_used; reserved := q.day_reserved;
    remains := allowed - used - reserved;
    resets_at := (q.day + interval '1 day') AT TIME ZONE q.time_zone;
    RETURN NEXT;
  END IF;
  resets_at := NULL;
  IF every OR q.doubts_open IS NOT NULL OR q.concurrent_creates IS NOT NULL THEN
    SELECT count(*) INTO sending FROM intents i WHERE i.state = 'sending' AND i.id IS DISTINCT FROM intent AND (
      (q.scope = 'tenant' AND i.tenant_id = q.tenant_id)
      OR (q.scope = 'organization' AND i.organization_id = q.organization_id)
      OR (q.scope = 'user' AND i.organization_id = q.organization_id AND i.user_id = q.user_id)
      OR q.scope = 'deployment');
  END IF;
  IF every OR q.doubts_open IS NOT NULL THEN
    name := 'doubts_open'; rank := 5; allowed := q.doubts_open; used := q.reserved - sending; reserved := sending;
    remains := allowed - used - reserved;
    RETURN NEXT;
  END IF;
  IF every OR q.concurrent_creates IS NOT NULL THEN
    name := 'concurrent_creates'; rank := 6; allowed := q.concurrent_creates; used := sending; reserved := 0;
    remains := allowed - used;
    RETURN NEXT;
  END IF;
  IF q.requests_per_second IS NOT NULL AND q.scope <> 'tenant' THEN
    burst := CASE WHEN q.requests_per_second = 0 THEN 0 ELSE coalesce(q.burst, ceil(q.requests_per_second)) END;
    name := 'requests_per_second'; rank := 7; allowed := burst; reserved := 0;
    used := ceil(greatest(0, extract(epoch FROM q.arrival - at)) * q.requests_per_second);
    remains := allowed - used;
    IF burst > 0 THEN
      resets_at := greatest(q.arrival, at) - make_interval(secs => (burst - 1) / q.requests_per_second);
    END IF;
    RETURN NEXT;
  END IF;
END $$
