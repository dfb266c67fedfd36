-- Numbers as Teli lists them, oldest first: a page, in one round trip. Our own members stand beside Teli's.
--
-- ask: acting, as act_for takes it; organization_id; user_id, null for the whole organisation; tenant_id, null for
--      those of every tenant; after, the acquired_at and id that a page follows, or null; limit.
-- Answers {"rows": […], "next": [acquired_at, id]}, as text; next is null where nothing follows.
CREATE FUNCTION list_numbers(ask jsonb) RETURNS text
LANGUAGE plpgsql SECURITY INVOKER AS $$
DECLARE
  most   integer := (ask->>'limit')::integer;
  org    text := ask->>'organization_id';
  owner  text := ask->>'user_id';
  tenant text := ask->>'tenant_id';
  moment timestamptz := coalesce((ask->'after'->>0)::timestamptz, '-infinity');
  seen   uuid := coalesce((ask->'after'->>1)::uuid, '00000000-0000-0000-0000-000000000000');
  ids    uuid[];
  rows   json;
BEGIN
  PERFORM act_for(ask->'acting');
  IF owner IS NULL THEN
    SELECT array_agg(p.id ORDER BY p.acquired_at, p.id) INTO ids FROM (
      SELECT n.id, n.acquired_at FROM numbers n
      WHERE n.organization_id = org AND n.state <> 'released' AND (n.acquired_at, n.id) > (moment, seen)
        AND (tenant IS NULL OR n.tenant_id = tenant)
      ORDER BY n.acquired_at, n.id LIMIT most + 1) p;
  ELSE
    SELECT array_agg(p.id ORDER BY p.acquired_at, p.id) INTO ids FROM (
      SELECT n.id, n.acquired_at FROM numbers n
      WHERE n.organization_id = org AND n.user_id = owner AND n.state <> 'released'
        AND (n.acquired_at, n.id) > (moment, seen) AND (tenant IS NULL OR n.tenant_id = tenant)
      ORDER BY n.acquired_at, n.id LIMIT most + 1) p;
  END IF;
  SELECT json_agg(json_build_object(
      'phone_number', n.phone_number,
      'pretty_phone_number', n.pretty,
      'id', n.id,
      'area_code', n.area_code,
      'phone_type', 'voice',
      'provider', 'teli_voice',
      'user_id', n.user_id,
      'organization_id', n.organization_id,
      'tenant_id', n.tenant_id,
      -- What is wanted, or, where Teli refused it, what it had before.
      'outbound_agent_id', CASE WHEN o.state = 'refused' THEN o.confirmed ELSE o.desired END,
      'inbound_agent_id', CASE WHEN i.state = 'refused' THEN i.confirmed ELSE i.desired END,
      'nickname', n.nickname,
      'location', NULL,
      'accessible_by', '[]'::json,
      'stripe_subscription_id', n.subscription_id,
      'zapier', false,
      'created_at', replace(to_char(n.acquired_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z'),
      'state', n.state,
      'cost_center', n.cost_center,
      'tags', n.tags,
      'holder_user_id', n.holder_user_id) ORDER BY n.acquired_at, n.id)
    INTO rows
    FROM numbers n
    LEFT JOIN agent_links i ON i.number_id = n.id AND i.direction = 'inbound'
    LEFT JOIN agent_links o ON o.number_id = n.id AND o.direction = 'outbound'
    WHERE n.id = ANY (ids[1 : most]);
  RETURN json_build_object('rows', coalesce(rows, '[]'), 'next', (
    SELECT json_build_array(n.acquired_at, n.id) FROM numbers n
    WHERE n.id = ids[most] AND cardinality(ids) > most));
END $$
