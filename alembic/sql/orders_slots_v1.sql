-- Of an account's send slots, how many orders may have at a time: of several a quarter is kept for purchases that are
-- asked for one by one.
CREATE FUNCTION orders_slots(account uuid) RETURNS integer
LANGUAGE sql STABLE SECURITY INVOKER AS $$
  SELECT (count(*) - CASE WHEN count(*) > 1 THEN ceil(count(*) / 4.0) ELSE 0 END)::integer
  FROM send_slots s WHERE s.account_id = account
$$
