-- Items of an order that are not sent any more: all that wait, or only those named. What was reserved for them is given
-- back. Answers how many they were.
CREATE FUNCTION give_up_items(in_order uuid, only_these integer[], said text, why text, words text) RETURNS bigint
LANGUAGE plpgsql SECURITY INVOKER AS $$
DECLARE
  given record;
  total bigint := 0;
BEGIN
  FOR given IN
    WITH ended AS (
      UPDATE order_items i SET outcome = said, reason = why, detail = words, ended_at = clock_timestamp()
        WHERE i.order_id = in_order AND i.outcome = 'waiting' AND i.counted_at IS NOT NULL
          AND (only_these IS NULL OR i.seq = ANY (only_these))
        RETURNING i.tenant_id, i.organization_id, i.user_id, i.counted_at),
    owned AS (SELECT tenant_id, organization_id, counted_at, user_id, count(*) AS many FROM ended GROUP BY 1, 2, 3, 4)
    SELECT tenant_id, organization_id, counted_at, array_agg(user_id) AS owners, array_agg(many) AS counts,
           sum(many)::bigint AS total
      FROM owned GROUP BY 1, 2, 3
  LOOP
    PERFORM move_ordered(given.tenant_id, given.organization_id, given.owners, given.counts, given.counted_at, -1);
    total := total + given.total;
  END LOOP;
  RETURN total;
END $$
