-- Was this number somebody's before a purchase began that an answer now says it was sold to? Then only a row can tell a
-- repeated answer from a number that was given out anew. Somebody's: of an acquisition that was given back only since;
-- under a row that a listing had shown by then, and that is no dead acquisition's of ours; under a row that carries the
-- mark of another purchase; or by the proof of a purchase that nobody has decided. Yes or no only.
CREATE FUNCTION known_before(asker intents, wanted text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT EXISTS (SELECT FROM numbers n WHERE n.account_id = asker.account_id AND n.phone_number = wanted
                 AND n.intent_id IS DISTINCT FROM asker.id AND n.released_at > asker.admitted_at)
      OR EXISTS (SELECT FROM upstream_rows r WHERE r.account_id = asker.account_id AND r.phone_number = wanted
                 AND r.gone_at IS NULL
                 AND NOT EXISTS (SELECT FROM numbers n WHERE n.account_id = r.account_id AND n.upstream_row_id = r.row_id)
                 AND (anothers_mark(asker, r.nickname) OR listed_before(r, asker.admitted_at, asker.mark)))
      OR EXISTS (SELECT FROM orphans o WHERE o.account_id = asker.account_id AND o.phone_number = wanted
                 AND o.state = 'open' AND o.row_id IS NULL AND o.created_at < asker.admitted_at
                 AND o.intent_id IS DISTINCT FROM asker.id)
$$
