-- Say for whom this transaction acts; row-level security reads it back, and it ends with the transaction.
-- tenant: null where none is known.  sees: ids of organisations seen whole, across tenants; '{*}' is all of them.
-- duty: service, admin, finance or operator.
-- Where the transaction is a caller's, who is neither administrator nor operator, it set numbergate.only before: the
-- caller's tenant, or '@' where it has none. Then it acts for no other tenant and in no other duty, whoever asks.
CREATE OR REPLACE FUNCTION act_as(tenant text, duty text, sees text[]) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER AS $$
DECLARE
  bound text := coalesce(current_setting('numbergate.only', true), '');
BEGIN
  IF bound <> '' THEN
    tenant := CASE WHEN tenant IS NOT NULL THEN bound END;
    duty := CASE WHEN duty IN ('admin', 'operator') THEN 'service' ELSE duty END;
  END IF;
  PERFORM set_config('numbergate.tenant_id', coalesce(tenant, ''), true),
          set_config('numbergate.duty', duty, true),
          set_config('numbergate.sees', coalesce(sees::text, '{}'), true);
END $$
