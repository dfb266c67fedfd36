-- One event for the outbox, in the transaction of the change it tells of.
CREATE FUNCTION record_event(tenant text, kind text, number uuid, intent uuid, payload jsonb) RETURNS void
LANGUAGE sql SECURITY INVOKER AS $$
  INSERT INTO outbox (tenant_id, kind, number_id, intent_id, payload) VALUES (tenant, kind, number, intent, payload)
$$
