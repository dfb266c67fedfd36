-- A number that an intent of this tenant bought after it was refused, and nobody has decided about: listed with its mark
-- for the same user, last seen there, in one of the area codes, the first of them first. An object or null. What
-- listings showed is not the tenant's to read, so this must see past row-level security.
CREATE FUNCTION spare_number(account uuid, tenant text, org text, owner text, near jsonb) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT jsonb_build_object('orphan_id', o.id, 'phone_number', o.phone_number, 'row_id', o.row_id,
                            'nickname', o.nickname)
  FROM orphans o
  JOIN upstream_rows r ON r.account_id = o.account_id AND r.row_id = o.row_id AND r.gone_at IS NULL
  CROSS JOIN LATERAL (SELECT ordinality FROM jsonb_array_elements_text(near) WITH ORDINALITY
                      WHERE value = o.area_code) code
  WHERE o.tenant_id = tenant AND o.state = 'open' AND o.reason = 'refused_intent' AND o.account_id = account
    AND o.organization_id = org AND o.user_id = owner
  ORDER BY code.ordinality, o.created_at, o.id
  LIMIT 1
$$
