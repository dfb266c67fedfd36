-- May somebody else have the E.164 of this number by now? Yes or no only: what is known of others is not the asker's.
-- Its row is listed no more; or another is that is not an earlier acquisition's, which is only slow to vanish; or a
-- purchase is proved of that number that has no row yet; or a doubt's answer named it.
CREATE OR REPLACE FUNCTION number_in_question(asked uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT EXISTS (SELECT FROM upstream_rows r WHERE r.account_id = n.account_id AND r.row_id = n.upstream_row_id
                 AND r.gone_at IS NOT NULL)
      OR EXISTS (SELECT FROM upstream_rows r WHERE r.account_id = n.account_id AND r.phone_number = n.phone_number
                 AND r.gone_at IS NULL AND r.row_id IS DISTINCT FROM n.upstream_row_id
                 -- One at most, by its index, whatever is known of the tables' sizes.
                 AND (SELECT e.acquired_at < n.acquired_at FROM numbers e
                      WHERE e.account_id = r.account_id AND e.upstream_row_id = r.row_id) IS NOT TRUE)
      -- An orphan that has its row is among those above.
      OR EXISTS (SELECT FROM orphans o WHERE o.account_id = n.account_id AND o.phone_number = n.phone_number
                 AND o.state = 'open' AND o.row_id IS NULL)
      OR EXISTS (SELECT FROM intents i WHERE i.account_id = n.account_id AND i.named_number = n.phone_number
                 AND i.state IN ('doubtful', 'unresolved'))
  FROM numbers n WHERE n.id = asked
$$
