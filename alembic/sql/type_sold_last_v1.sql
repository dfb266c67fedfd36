-- Of which type the last number was that an account was sold for an organisation, through whichever tenant, as Teli named
-- it; of the last thousand, for numbers that were there before have none.
CREATE FUNCTION type_sold_last(account uuid, organization text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT n.number_type
  FROM (SELECT * FROM numbers m WHERE m.organization_id = organization ORDER BY m.acquired_at DESC, m.id DESC LIMIT 1000) n
  WHERE n.account_id = account AND n.number_type IS NOT NULL
  ORDER BY n.acquired_at DESC, n.id DESC LIMIT 1
$$
