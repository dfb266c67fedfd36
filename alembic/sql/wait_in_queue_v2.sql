-- Take a place in the queue, or keep it and those of this replica's other waiters alive. A replica that died stops
-- doing so, and its places lapse after three seconds; a waiter that left without a word stops being kept when its
-- patience is over. Answers the place, which stays the same however often it is asked.
--
-- An item of an order has no `patience`: whichever replica claims it asks for it, now and then, and it may be cancelled
-- or stopped meanwhile. So its place is that replica's, and is kept for five seconds after it was asked for last.
CREATE OR REPLACE FUNCTION wait_in_queue(account uuid, wanted text, intent uuid, asker uuid, patience float8)
RETURNS jsonb
LANGUAGE plpgsql SECURITY INVOKER AS $$
DECLARE
  my_place bigint;
BEGIN
  INSERT INTO send_queue AS q (account_id, queue, intent_id, replica, alive_until, leaves_at)
    VALUES (account, wanted, intent, asker, clock_timestamp() + interval '3 seconds',
            clock_timestamp() + make_interval(secs => coalesce(patience, 5)))
    ON CONFLICT (intent_id) DO UPDATE SET queue = excluded.queue,
      replica = CASE WHEN patience IS NULL THEN excluded.replica ELSE q.replica END,
      leaves_at = CASE WHEN patience IS NULL THEN excluded.leaves_at ELSE q.leaves_at END
    RETURNING place INTO my_place;
  -- Somebody else of this replica may be doing the same: who is locked is being renewed already.
  UPDATE send_queue q SET alive_until = least(q.leaves_at, clock_timestamp() + interval '3 seconds')
    WHERE q.intent_id IN (SELECT r.intent_id FROM send_queue r WHERE r.account_id = account AND r.replica = asker
                          AND r.alive_until < least(r.leaves_at, clock_timestamp() + interval '2 seconds')
                          FOR UPDATE SKIP LOCKED);
  RETURN jsonb_build_object('outcome', 'busy', 'queue', wanted, 'place', my_place);
END $$
