-- Campaigns that call from these numbers, or may: what was sent and is not proved counts, and what is only paused.
-- Whoever may give a number back must know of every such campaign, also of those its key is not held to; so they are
-- looked up past row-level security, by numbers that the asker has in hand.
CREATE FUNCTION campaigns_from(numbers uuid[]) RETURNS TABLE (number_id uuid, campaign_id text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT n.number_id, c.campaign_id FROM campaign_numbers n JOIN campaigns c ON c.id = n.campaign
  WHERE n.number_id = ANY (numbers) AND c.state IN ('sending', 'doubtful', 'running', 'paused')
  ORDER BY n.number_id, c.campaign_id
$$
