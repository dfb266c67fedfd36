-- What becomes of an intent becomes of its order's item, in the same transaction, whoever decides it and however late.
--
-- What was refused for a reason that may pass, or for want of numbers in that area code, waits to be asked for otherwise:
-- the quota that the intent has given back is the order's again. What Teli did not refuse itself is never bought anew.
-- An order that was over is so no more; the worker closes it again.
CREATE FUNCTION item_follows_intent() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  again boolean := new.decision IN ('never_sent', 'credentials', 'rate_limited', 'out_of_stock');
  item  order_items;
BEGIN
  SELECT * INTO item FROM order_items i
    WHERE i.order_id = new.order_id AND i.seq = new.order_seq AND i.intent_id = new.id AND i.outcome <> 'waiting'
    FOR UPDATE;
  IF NOT FOUND OR new.state = 'doubtful' THEN
    RETURN NULL;
  END IF;
  IF new.state = 'owned' THEN
    UPDATE order_items i SET outcome = 'done', reason = NULL, detail = NULL, number_id = new.number_id,
        phone_number = (SELECT n.phone_number FROM numbers n WHERE n.id = new.number_id), ended_at = clock_timestamp()
      WHERE (i.order_id, i.seq) = (item.order_id, item.seq);
  ELSIF new.state = 'unresolved' THEN
    UPDATE order_items i SET outcome = 'unresolved', reason = 'unresolved', ended_at = clock_timestamp()
      WHERE (i.order_id, i.seq) = (item.order_id, item.seq);
  ELSIF again THEN
    UPDATE order_items i SET outcome = 'waiting', reason = new.decision, tries = i.tries + 1, ended_at = NULL,
        busy_since = NULL,
        sold_out = CASE WHEN new.decision = 'out_of_stock' THEN i.sold_out || new.area_code ELSE i.sold_out END,
        due_at = clock_timestamp() + CASE WHEN new.decision = 'out_of_stock' THEN interval '0'
                 ELSE make_interval(secs => least(60, 0.5 * 2 ^ least(i.tries, 7))) END
      WHERE (i.order_id, i.seq) = (item.order_id, item.seq);
    PERFORM move_ordered(item.tenant_id, item.organization_id, ARRAY[item.user_id], ARRAY[1::bigint], item.counted_at, 1);
    IF new.decision = 'out_of_stock' THEN
      INSERT INTO sold_out (account_id, area_code) VALUES (new.account_id, new.area_code)
        ON CONFLICT (account_id, area_code) DO UPDATE SET since = clock_timestamp();
    END IF;
  ELSE
    UPDATE order_items i SET outcome = 'failed', reason = CASE WHEN new.decision = 'bad_request' THEN 'refused'
        ELSE 'nothing_bought' END, ended_at = clock_timestamp()
      WHERE (i.order_id, i.seq) = (item.order_id, item.seq);
  END IF;
  UPDATE orders o SET state = 'running', ended_at = NULL, counts = NULL
    WHERE o.id = new.order_id AND o.ended_at IS NOT NULL;
  RETURN NULL;
END $$
