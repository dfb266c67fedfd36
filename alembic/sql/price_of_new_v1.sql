-- What a number costs that is bought today, by the day of the supplier's rule; `otherwise` is that rule where none is
-- filed. Of which type it will be Teli says as it sells it: as long as that is not known, as of the last one there.
CREATE FUNCTION price_of_new(organization text, area text, otherwise jsonb)
RETURNS TABLE (price_id uuid, setup bigint, monthly bigint, currency text)
LANGUAGE sql STABLE SECURITY INVOKER AS $$
SELECT v.* FROM price_in_force(
  organization,
  (SELECT n.number_type FROM numbers n WHERE n.organization_id = organization ORDER BY n.acquired_at DESC, n.id DESC
   LIMIT 1),
  area,
  (SELECT (clock_timestamp() AT TIME ZONE (coalesce((SELECT r.rule FROM charging_rule r), otherwise)->>'time_zone'))::date)
) v
$$
