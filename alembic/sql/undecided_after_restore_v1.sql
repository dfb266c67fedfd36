-- Did a number turn up for this user after a restore, which nobody has decided? It may be what a lost purchase bought.
CREATE FUNCTION undecided_after_restore(account uuid, org text, owner text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT EXISTS (SELECT FROM orphans o WHERE o.account_id = account AND o.organization_id = org AND o.state = 'open'
                 AND o.reason = 'after_restore' AND (o.user_id = owner OR o.user_id IS NULL))
$$
