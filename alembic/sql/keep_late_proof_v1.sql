-- An orphan that names the intent whose purchase is proven and which does not own it; once, however often it is brought.
-- Answers whether it was brought for the first time.
CREATE FUNCTION keep_late_proof(i intents, proven text, code text) RETURNS boolean
LANGUAGE plpgsql SECURITY INVOKER AS $$
BEGIN
  INSERT INTO orphans (account_id, tenant_id, organization_id, user_id, area_code, phone_number, intent_id, reason)
    SELECT i.account_id, i.tenant_id, i.organization_id, i.user_id, code, proven, i.id, 'late_proof'
    WHERE NOT EXISTS (SELECT FROM orphans o WHERE o.intent_id = i.id AND o.phone_number = proven);
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  PERFORM record_event(i.tenant_id, 'number.orphaned', NULL, i.id, jsonb_build_object('phone_number', proven));
  RETURN true;
END $$
