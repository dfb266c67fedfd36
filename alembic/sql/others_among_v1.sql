-- Of these E.164 numbers those that somebody else than this tenant holds or held in this organisation, and it does not.
-- Only whether a call is to be kept from the asker: which tenant's it is, is not told.
CREATE FUNCTION others_among(asker text, organization text, wanted text[]) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT n.phone_number FROM numbers n
  WHERE n.phone_number = ANY (wanted) AND n.organization_id = organization
  GROUP BY n.phone_number HAVING bool_and(n.tenant_id <> asker)
$$
