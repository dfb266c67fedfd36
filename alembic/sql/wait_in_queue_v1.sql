-- Take a place in the queue, or keep it and those of this replica's other waiters alive. A replica that died stops
-- doing so, and its places lapse after three seconds; a waiter that left without a word stops being kept when its
-- patience is over. Answers the place, which stays the same however often it is asked.
CREATE FUNCTION wait_in_queue(account uuid, wanted text, intent uuid, asker uuid, patience float8) RETURNS jsonb
LANGUAGE plpgsql SECURITY INVOKER AS $$
DECLARE
  my_place bigint;
BEGIN
  INSERT INTO send_queue (account_id, queue, intent_id, replica, alive_until, leaves_at)
    VALUES (account, wanted, intent, asker, clock_timestamp() + interval '3 seconds',
            clock_timestamp() + make_interval(secs => patience))
    ON CONFLICT (intent_id) DO UPDATE SET queue = excluded.queue
    RETURNING place INTO my_place;
  -- Somebody else of this replica may be doing the same: who is locked is being renewed already.
  UPDATE send_queue q SET alive_until = least(q.leaves_at, clock_timestamp() + interval '3 seconds')
    WHERE q.intent_id IN (SELECT r.intent_id FROM send_queue r WHERE r.account_id = account AND r.replica = asker
                          AND r.alive_until < least(r.leaves_at, clock_timestamp() + interval '2 seconds')
                          FOR UPDATE SKIP LOCKED);
  RETURN jsonb_build_object('outcome', 'busy', 'queue', wanted, 'place', my_place);
END $$
