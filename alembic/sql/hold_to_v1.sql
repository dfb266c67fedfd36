-- After act_as: hold this transaction to the rows of these organisations, and of these users, as the key is that asks.
-- Row-level security reads it back, and it ends with the transaction. Null is no limit.
CREATE FUNCTION hold_to(organizations text[], users text[]) RETURNS void
LANGUAGE sql SECURITY INVOKER AS $$
  SELECT set_config('numbergate.organizations', coalesce(organizations::text, ''), true),
         set_config('numbergate.users', coalesce(users::text, ''), true)
$$
