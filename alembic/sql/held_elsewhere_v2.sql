-- Does the account already hold this number, through whichever tenant, or from before Numbergate? Yes or no only.
CREATE OR REPLACE FUNCTION held_elsewhere(account uuid, wanted text, asker uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT EXISTS (SELECT FROM numbers n WHERE n.account_id = account AND n.phone_number = wanted
                 AND n.state <> 'released' AND n.intent_id IS DISTINCT FROM asker)
      OR EXISTS (SELECT FROM existing_numbers e WHERE e.account_id = account AND e.phone_number = wanted
                 AND e.gone_at IS NULL)
$$
