-- The price in force on a day: of those that are for it and have begun, the narrowest, and of these the one that began
-- last. What is for an organisation wins over what is for an area, and that over what is for a type, as
-- service/billing/prices.py has it. `type` may be null: what is not known yet has no price of a type.
CREATE FUNCTION price_in_force(organization text, type text, area text, day date)
RETURNS TABLE (price_id uuid, setup bigint, monthly bigint, currency text)
LANGUAGE sql STABLE SECURITY INVOKER AS $$
SELECT p.id, p.setup, p.monthly, p.currency FROM price_versions p
WHERE p.since <= day AND coalesce(p.organization_id = organization, p.organization_id IS NULL)
  AND coalesce(p.area_code = area, p.area_code IS NULL) AND coalesce(p.number_type = type, p.number_type IS NULL)
ORDER BY p.organization_id IS NOT NULL DESC, p.area_code IS NOT NULL DESC, p.number_type IS NOT NULL DESC, p.since DESC
LIMIT 1
$$
