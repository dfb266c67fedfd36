-- Say for whom this transaction acts; row-level security reads it back, and it ends with the transaction.
-- tenant: null where none is known.  sees: ids of organisations seen whole, across tenants; '{*}' is all of them.
-- duty: service, admin, finance or operator.
CREATE FUNCTION act_as(tenant text, duty text, sees text[]) RETURNS void
LANGUAGE sql SECURITY INVOKER AS $$
  SELECT set_config('numbergate.tenant_id', coalesce(tenant, ''), true),
         set_config('numbergate.duty', duty, true),
         set_config('numbergate.sees', coalesce(sees::text, '{}'), true)
$$
