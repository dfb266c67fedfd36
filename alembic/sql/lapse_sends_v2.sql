-- Sends whose lease has ended without an answer become doubts: their sender died or cannot reach us. Their quota stays
-- reserved; the slot is free again; the lane too, unless nobody else buys for that user (then only set difference can
-- tell, and it needs the lane still). Returns the intents, for the log.
CREATE OR REPLACE FUNCTION lapse_sends(most integer) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY INVOKER AS $$
DECLARE
  i intents;
BEGIN
  FOR i IN SELECT * FROM intents WHERE state = 'sending' AND lease_until < clock_timestamp()
           ORDER BY lease_until, id LIMIT most FOR UPDATE SKIP LOCKED LOOP
    UPDATE intents SET state = 'doubtful', send_ended_at = i.lease_until, decision = 'sender_lost',
        holds_lane = i.holds_lane AND EXISTS (SELECT FROM users u WHERE u.organization_id = i.organization_id
                                              AND u.id = i.user_id AND u.exclusive)
      WHERE id = i.id;
    UPDATE send_slots SET intent_id = NULL, held_until = NULL
      WHERE account_id = i.account_id AND slot = i.slot AND intent_id = i.id;
    INSERT INTO audit (tenant_id, actor, action, object_kind, object_id, before, after, request_id)
      VALUES (i.tenant_id, 'worker', 'intent.doubtful', 'intent', i.id::text, '{"state": "sending"}',
              '{"state": "doubtful", "reason": "sender_lost"}', i.request_id);
    PERFORM record_event(i.tenant_id, 'number.doubtful', NULL, i.id, jsonb_build_object(
      'organization_id', i.organization_id, 'user_id', i.user_id, 'area_code', i.area_code, 'reason', 'sender_lost'));
    RETURN NEXT i.id;
  END LOOP;
  -- Places of replicas that died: they hold nobody up, and are in the way of every look at the queue.
  DELETE FROM send_queue WHERE alive_until < clock_timestamp() - interval '1 minute';
END $$
