-- All that is known of one number, in one round trip: by our id, or by its E.164 the acquisition that came last, for
-- only that can be held.
--
-- ask: acting, as act_for takes it; id or phone_number; tenant_id, of whoever asks; rule, the supplier's until another
--      is filed.
-- Answers an object as text, or null where there is none that the asker may see.
--
-- To plan what a number costs takes several times as long as to reckon it, and the plan is the same for each.
CREATE FUNCTION show_number(ask jsonb) RETURNS text
LANGUAGE plpgsql SECURITY INVOKER SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  n       numbers;
  ending  steps;
  links   json;
  owed    json;
BEGIN
  PERFORM act_for(ask->'acting');
  IF ask ? 'id' THEN
    SELECT * INTO n FROM numbers WHERE id = (ask->>'id')::uuid;
  ELSE
    SELECT * INTO n FROM numbers WHERE phone_number = ask->>'phone_number' ORDER BY acquired_at DESC LIMIT 1;
  END IF;
  IF n.id IS NULL THEN
    RETURN NULL;
  END IF;
  SELECT json_object_agg(l.direction, json_build_object(
      'desired', l.desired, 'confirmed', l.confirmed, 'state', l.state, 'updated_at', l.updated_at))
    INTO links FROM agent_links l WHERE l.number_id = n.id;
  SELECT json_agg(json_build_object(
      'operation_id', s.id, 'kind', s.kind, 'state', s.state, 'created_at', s.created_at, 'due_at', s.due_at,
      'tries', s.tries, 'outcome', s.outcome) ORDER BY s.created_at, s.id)
    INTO owed FROM steps s WHERE s.number_id = n.id AND s.state IN ('waiting', 'running', 'unresolved');
  IF n.state = 'release_scheduled' THEN
    SELECT * INTO ending FROM steps s
    WHERE s.number_id = n.id AND s.kind = 'release' AND s.state IN ('waiting', 'running', 'unresolved')
    ORDER BY s.created_at, s.id LIMIT 1;
  END IF;
  RETURN (
    SELECT json_build_object(
      'id', n.id,
      'phone_number', n.phone_number,
      'state', n.state,
      'organization_id', n.organization_id,
      'tenant_id', n.tenant_id,
      'user_id', n.user_id,
      'area_code', n.area_code,
      'nickname', n.nickname,
      'cost_center', n.cost_center,
      'tags', n.tags,
      'holder_user_id', n.holder_user_id,
      'acquired_at', n.acquired_at,
      'confirmed_at', n.confirmed_at,
      'released_at', n.released_at,
      'operation_id', n.intent_id,
      -- What is wanted, or, where Teli refused it, what it had before.
      'inbound_agent_id', links->'inbound'->>(CASE links->'inbound'->>'state' WHEN 'refused' THEN 'confirmed' ELSE 'desired' END),
      'outbound_agent_id', links->'outbound'->>(CASE links->'outbound'->>'state' WHEN 'refused' THEN 'confirmed' ELSE 'desired' END),
      'agents', json_build_object('inbound', links->'inbound', 'outbound', links->'outbound'),
      'costs', json_build_object(
        'to_date', c.to_date, 'monthly', c.monthly, 'next_charge_at', c.next_charge_at, 'next_charge', c.next_charge,
        'currency', c.currency, 'source', CASE WHEN n.price_setup IS NULL THEN 'price_book' ELSE 'import' END,
        'price_id', c.price_id),
      -- An idempotency key is its tenant's own.
      'purchase', (
        SELECT json_build_object(
          'operation_id', i.id, 'state', i.state, 'decision', i.decision,
          'idempotency_key', CASE WHEN n.tenant_id = ask->>'tenant_id' THEN i.idempotency_key END,
          'request_id', CASE WHEN n.tenant_id = ask->>'tenant_id' THEN i.request_id END,
          'admitted_at', i.admitted_at, 'ended_at', i.send_ended_at, 'decided_at', i.decided_at,
          -- What was heard first is how it was answered; what came later changed nothing, or is in the history.
          'answered', (SELECT e.status FROM evidence e WHERE e.intent_id = i.id ORDER BY e.id LIMIT 1))
        FROM intents i WHERE i.id = n.intent_id),
      'upstream', (
        SELECT json_build_object(
          'row_id', n.upstream_row_id, 'subscription_id', n.subscription_id, 'nickname', n.upstream_nickname,
          'first_seen_at', s.first_seen_at, 'last_seen_at', s.last_seen_at, 'gone_at', s.gone_at)
        FROM (SELECT) one LEFT JOIN number_seen(n.id) s ON true),
      'calls', json_build_object(
        'last_inbound_at', n.last_inbound_call_at, 'last_outbound_at', n.last_outbound_call_at,
        'idle_since', n.idle_since),
      'owed', coalesce(owed, '[]'),
      'drift', coalesce((
        SELECT json_agg(json_build_object(
          'id', d.id, 'member', d.member, 'ours', d.ours, 'theirs', d.theirs, 'since', d.since, 'seen_at', d.seen_at,
          'undecided', d.undecided) ORDER BY d.since, d.id)
        FROM drifts d
        WHERE d.number_id = n.id AND d.state = 'open' AND n.state IN ('active', 'release_scheduled')), '[]'),
      -- Until its grace ends it may be restored; what comes to be due until then is charged beside the rest.
      'release', CASE WHEN ending.id IS NOT NULL THEN json_build_object(
        'operation_id', ending.id, 'at', ending.due_at, 'asked_at', ending.created_at, 'reason', ending.reason,
        'extra_charge', c.within) END)
    FROM costs_of(ARRAY[n.id], ARRAY[coalesce(ending.created_at, '1970-01-01T00:00:00Z')], ARRAY[ending.due_at],
                  ask->'rule') c);
END $$
