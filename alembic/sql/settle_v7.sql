-- The second transaction of a purchase: what was heard becomes evidence, and, where it decides something, a decision.
--
-- ask: tenant_id, intent_id, request_id, actor, verdict (owned, refused, doubtful), reason, send_ended,
--      evidence {at, kind, status, headers, body, detail},
--      number {id, phone_number, pretty, area_code, type} when owned; with orphan_id, mark and nickname too, where it is
--      an orphan that is reused: an open intent gets it while it is open too, else nothing is written and the reason is
--      "not_to_be_had",
--      answer {status, headers, body} when owned or refused.
-- Answers {state, moved, reason, answer, quota}: the state the intent has now, whether this call moved it, the answer
-- that holds, and where it moved to a decision, the revision of the tenant's quota. What Teli answered is kept in every
-- case: fencing guards decisions, never evidence. What a listing showed or a person said is kept where it decides.
-- A doubt whose answer named a number that was held already, and whose own row was another, leaves that answer as proof of
-- a second purchase where nothing of ours explains it, and the answer here has `proof_kept`.
-- Of which type a number is only its sale says. Where none was heard, it is as an answer says that decided nothing, else
-- as what was sold to the organisation last; and once the answer comes after all, as that says.
CREATE OR REPLACE FUNCTION settle(ask jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY INVOKER AS $$
DECLARE
  tenant    text := ask->>'tenant_id';
  verdict   text := ask->>'verdict';
  reason    text := ask->>'reason';
  bought    jsonb := ask->'number';
  heard     jsonb := ask->'evidence';
  right_now timestamptz := clock_timestamp();
  i         intents;
  next_state text;
  keeps_lane boolean := false;
  quota     bigint;
  named     text := bought->>'type';
  kept      boolean := false;
  -- Said of the purchase by Teli, not concluded from a listing or by a person.
  answered  boolean := heard->>'kind' NOT IN ('listing', 'operator');
BEGIN
  PERFORM act_as(tenant, 'service', '{}');
  SELECT * INTO STRICT i FROM intents WHERE id = (ask->>'intent_id')::uuid FOR UPDATE;

  IF bought ? 'orphan_id' AND i.state <> 'owned' THEN
    UPDATE orphans o SET state = 'adopted'
      WHERE o.id = (bought->>'orphan_id')::uuid AND o.state = 'open' AND i.state <> 'refused'
        AND NOT held_elsewhere(i.account_id, o.phone_number, i.id);
    IF NOT FOUND THEN
      RETURN jsonb_build_object('state', i.state, 'moved', false, 'reason', 'not_to_be_had', 'answer', NULL);
    END IF;
    -- Late proof of the same sale may have been filed beside its row.
    UPDATE orphans o SET state = 'adopted' FROM orphans had
      WHERE had.id = (bought->>'orphan_id')::uuid AND o.account_id = had.account_id AND o.state = 'open'
        AND o.phone_number = had.phone_number AND o.intent_id = had.intent_id;
  END IF;

  IF verdict = 'owned' AND i.state IN ('sending', 'doubtful', 'unresolved')
     AND (held_elsewhere(i.account_id, bought->>'phone_number', i.id)
          OR (answered AND NOT bought ? 'orphan_id' AND known_before(i, bought->>'phone_number'))) THEN
    verdict := 'doubtful';
    reason := 'number_already_held';
  END IF;
  next_state := CASE
    WHEN verdict = 'owned' AND i.state IN ('sending', 'doubtful', 'unresolved') THEN 'owned'
    WHEN verdict = 'refused' AND i.state IN ('sending', 'doubtful', 'unresolved') THEN 'refused'
    WHEN verdict = 'doubtful' AND i.state = 'sending' THEN 'doubtful'
  END;
  IF answered OR next_state IS NOT NULL THEN
    INSERT INTO evidence (intent_id, tenant_id, heard_at, kind, status, headers, body, detail)
      VALUES (i.id, tenant, (heard->>'at')::timestamptz, heard->>'kind', (heard->>'status')::int, heard->'headers',
              heard->>'body', heard->>'detail');
  END IF;

  -- Proof of a purchase that this intent does not own is an orphan naming it, for a person to decide.
  IF verdict = 'owned' AND next_state IS NULL AND answered AND (i.state = 'refused' OR NOT EXISTS (
       SELECT FROM numbers n WHERE n.id = i.number_id AND n.phone_number = bought->>'phone_number')) THEN
    PERFORM keep_late_proof(i, bought->>'phone_number', bought->>'area_code');
    RETURN jsonb_build_object('state', i.state, 'moved', false, 'reason', 'late_proof', 'answer', i.answer);
  END IF;
  IF next_state IS NULL THEN
    -- As where the answer had come in time.
    UPDATE intents SET named_number = bought->>'phone_number'
      WHERE id = i.id AND answered AND reason = 'number_already_held' AND named_number IS NULL;
    UPDATE numbers n SET number_type = named
      WHERE verdict = 'owned' AND answered AND named IS NOT NULL AND n.id = i.number_id
        AND n.number_type IS DISTINCT FROM named;
    RETURN jsonb_build_object('state', i.state, 'moved', false, 'reason', reason, 'answer', i.answer);
  END IF;

  -- Before the quota's row, as in admission: two that lock in different orders may wait for one another.
  UPDATE send_slots SET intent_id = NULL, held_until = NULL
    WHERE account_id = i.account_id AND slot = i.slot AND intent_id = i.id;
  IF next_state = 'owned' THEN
    IF named IS NULL THEN
      SELECT t.named INTO named
        FROM evidence e, LATERAL (SELECT substring(e.body FROM '"phone_number_type"\s*:\s*"([^"\\]+)"') AS named) t
        WHERE (e.intent_id = i.id OR e.intent_id = (
                SELECT o.intent_id FROM orphans o WHERE o.id = (bought->>'orphan_id')::uuid))
          AND e.status BETWEEN 200 AND 299 AND strpos(e.body, bought->>'phone_number') > 0 AND t.named IS NOT NULL
        ORDER BY e.id DESC LIMIT 1;
    END IF;
    INSERT INTO numbers (id, tenant_id, account_id, organization_id, user_id, phone_number, pretty, area_code,
                         number_type, nickname, upstream_nickname, cost_center, tags, state, intent_id, mark, acquired_at)
      VALUES ((bought->>'id')::uuid, tenant, i.account_id, i.organization_id, i.user_id, bought->>'phone_number',
              bought->>'pretty', bought->>'area_code',
              coalesce(named, type_sold_last(i.account_id, i.organization_id)), i.wish->>'nickname',
              coalesce(bought->>'nickname', rtrim(i.mark || coalesce(i.wish->>'nickname', ''))), i.wish->>'cost_center',
              ARRAY(SELECT jsonb_array_elements_text(coalesce(i.wish->'tags', '[]'))), 'active', i.id,
              coalesce(bought->>'mark', i.mark), right_now);
    INSERT INTO steps (tenant_id, number_id, kind, due_at, request_id)
      VALUES (tenant, (bought->>'id')::uuid, 'confirm', right_now, ask->>'request_id');
    INSERT INTO agent_links (tenant_id, number_id, direction, desired)
      SELECT tenant, (bought->>'id')::uuid, direction, i.wish->>(direction || '_agent_id')
      FROM unnest(ARRAY['inbound', 'outbound']) AS direction WHERE i.wish->>(direction || '_agent_id') IS NOT NULL;
    -- What is wanted of it and Teli has not been told: agents, and of a number that is reused its nickname.
    INSERT INTO steps (tenant_id, number_id, kind, due_at, actor, request_id, given)
      SELECT tenant, (bought->>'id')::uuid, 'push', right_now, ask->>'actor', ask->>'request_id', array_agg(member ORDER BY member)
      FROM (SELECT l.direction || '_agent_id' AS member FROM agent_links l WHERE l.number_id = (bought->>'id')::uuid
            UNION ALL SELECT 'nickname' WHERE bought ? 'orphan_id') untold
      HAVING count(*) > 0;
  ELSIF next_state = 'doubtful' THEN
    SELECT u.exclusive AND i.holds_lane INTO keeps_lane
      FROM users u WHERE u.organization_id = i.organization_id AND u.id = i.user_id;
  END IF;

  -- Within, for no other purchase is to pay for the look.
  IF next_state = 'owned' AND i.named_number <> bought->>'phone_number' THEN
    IF NOT held_then(i.account_id, i.named_number, (
         SELECT max(e.heard_at) FROM evidence e
           WHERE e.intent_id = i.id AND e.kind = 'answer' AND e.status BETWEEN 200 AND 299)) THEN
      kept := keep_late_proof(i, i.named_number, substr(i.named_number, 3, 3));
    END IF;
  END IF;

  IF next_state <> 'doubtful' THEN
    quota := settle_quota(tenant, i.organization_id, i.user_id, coalesce(i.counted_at, i.admitted_at),
                          next_state = 'owned');
  END IF;

  UPDATE attempts SET ended_at = coalesce(ended_at, right_now) WHERE intent_id = i.id;
  UPDATE intents SET state = next_state, decided_at = CASE WHEN next_state = 'doubtful' THEN NULL ELSE right_now END,
      send_ended_at = coalesce(send_ended_at, right_now), decision = reason, holds_lane = coalesce(keeps_lane, false),
      number_id = CASE WHEN next_state = 'owned' THEN (bought->>'id')::uuid END,
      named_number = CASE WHEN next_state = 'doubtful' THEN bought->>'phone_number' END,
      answer = CASE WHEN next_state = 'doubtful' THEN NULL ELSE ask->'answer' END
    WHERE id = i.id;
  INSERT INTO audit (tenant_id, actor, action, object_kind, object_id, before, after, request_id)
    VALUES (tenant, ask->>'actor', 'intent.' || next_state, 'intent', i.id::text, jsonb_build_object('state', i.state),
            jsonb_build_object('state', next_state, 'phone_number', bought->>'phone_number', 'reason', reason),
            ask->>'request_id');
  PERFORM record_event(tenant,
    CASE next_state WHEN 'owned' THEN 'number.acquired' WHEN 'refused' THEN 'number.refused' ELSE 'number.doubtful' END,
    CASE WHEN next_state = 'owned' THEN (bought->>'id')::uuid END, i.id,
    jsonb_build_object('organization_id', i.organization_id, 'user_id', i.user_id, 'area_code', i.area_code,
                       'phone_number', CASE WHEN next_state = 'owned' THEN bought->>'phone_number' END, 'reason', reason));
  RETURN jsonb_build_object('state', next_state, 'moved', true, 'reason', reason, 'quota', quota,
                            'answer', CASE WHEN next_state <> 'doubtful' THEN ask->'answer' END)
      || CASE WHEN kept THEN '{"proof_kept": true}' ELSE '{}' END::jsonb;
END $$
