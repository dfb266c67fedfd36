-- Is this row of a listing known to be another's than the number of this purchase: from before Numbergate, or listed
-- before the purchase began, without the number's mark? Yes or no only; no where no purchase of ours is behind the
-- number. One that is reused has the mark of the purchase before.
CREATE FUNCTION anothers_row(purchase uuid, its_mark text, row_wanted text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT EXISTS (
    SELECT FROM intents i WHERE i.id = purchase AND (
      EXISTS (SELECT FROM existing_numbers e WHERE e.account_id = i.account_id AND e.row_id = row_wanted)
      OR EXISTS (SELECT FROM upstream_rows r WHERE r.account_id = i.account_id AND r.row_id = row_wanted
                 AND listed_before(r, i.admitted_at, its_mark))))
$$
