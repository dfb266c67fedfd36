-- For whom the statement acts that this is part of, as the gateway says it; it ends with the statement's transaction.
-- acting: tenant, duty, sees, as act_as takes them; organizations and users, as hold_to does, where there is a limit;
--         only, where a caller asks who is neither administrator nor operator, as act_as says.
CREATE FUNCTION act_for(acting jsonb) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER AS $$
BEGIN
  IF acting ? 'only' THEN
    PERFORM set_config('numbergate.only', acting->>'only', true);
  END IF;
  PERFORM act_as(acting->>'tenant', acting->>'duty', ARRAY(SELECT jsonb_array_elements_text(acting->'sees')));
  IF acting ? 'organizations' THEN
    PERFORM hold_to(
      CASE WHEN acting->'organizations' <> 'null' THEN
        ARRAY(SELECT jsonb_array_elements_text(acting->'organizations')) END,
      CASE WHEN acting->'users' <> 'null' THEN ARRAY(SELECT jsonb_array_elements_text(acting->'users')) END);
  END IF;
END $$
