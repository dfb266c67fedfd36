-- Is a send of this lane under way, or held by a doubt? Lanes cross tenants, so this must see past row-level security,
-- and says yes or no only.
CREATE FUNCTION lane_taken(account uuid, owner text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT EXISTS (SELECT FROM intents i WHERE i.account_id = account AND i.user_id = owner AND i.holds_lane)
$$
