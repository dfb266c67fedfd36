-- What was filed as an orphan while it could not be explained is none any more, once a number of ours has its row.
CREATE FUNCTION explain_orphan(account uuid, row_wanted text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  UPDATE orphans o SET state = 'adopted'
  FROM numbers n
  WHERE n.account_id = account AND n.upstream_row_id = row_wanted AND o.account_id = account AND o.state = 'open'
    AND (o.row_id = row_wanted OR (o.row_id IS NULL AND o.phone_number = n.phone_number AND o.intent_id = n.intent_id))
$$
