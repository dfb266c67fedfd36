-- Admission: everything that must be true before money may be spent, and the intent itself, in one transaction.
--
-- ask: tenant_id, duty, intent_id, organization_id, user_id, area_code, wish, key, fingerprint (hex), mark, request_id,
--      replica, lease_seconds, wait_seconds, near (area codes, the one asked for first), price (what a purchase is
--      reckoned at, in micro-units), by_account (whoever asks sends with the key of the account it is told).
--      Of an order, by the worker: order_id, seq and tries of the item, whose reserved quota the purchase takes over;
--      and place, under which the item stands in the queue, whoever asks for it, each time with an intent of its own.
-- The account is the organisation's, where it has one of its own, else the tenant's.
-- Answers one object whose "outcome" is
--   admitted           the intent is written and may be sent: slot, lane, account, teli_tenant_id; "quota" as
--                      reserve_quota answers; "spare", where a number that a refused intent bought after all can be had
--                      instead: orphan_id, phone_number, row_id, nickname
--   known              the key already has an intent: intent_id, state, fingerprint_equal, answer; or there is no key,
--                      and the answer of an equal request that was not delivered is this one's now: "joined" is there too
--   busy               nothing was written but a place in the queue: queue, place, account_id
--   gone               of an order: the item waits no more, or the order is over, cancelled or late; nothing was written,
--                      or the item is told what was bought for it after the moment that the ledger was put back to
--   busy, of an order  nothing was written, and no place taken: purchases asked for one by one come first, and leave a
--                      part of the slots to orders; "lane" says that it is this user's turn that is waited for. An item
--                      that has been told so for ten seconds has a place in the queue, for as long as it asks again.
--   resting            Teli fails; nothing was written; "after" so many seconds it may answer again
--   unknown_user       nothing was written; account_id says whom to ask for that user
--   not_your_organization, not_listed   nothing was written
--   stopped            nothing was written; "why", where it is not by an operator: recovering, after_restore
-- Raises NG001 (as reserve_quota) and NG002 (the same key was admitted meanwhile: ask again).
--
-- Whatever can refuse without having written stands first, and the hot quota rows last, so that their locks are held
-- for little more than the commit.
CREATE OR REPLACE FUNCTION admit(ask jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY INVOKER AS $$
DECLARE
  tenant   text := ask->>'tenant_id';
  intent   uuid := (ask->>'intent_id')::uuid;
  standing uuid := coalesce(ask->>'place', ask->>'intent_id')::uuid;
  org      text := ask->>'organization_id';
  owner    text := ask->>'user_id';
  idem     text := ask->>'key';
  right_now timestamptz := clock_timestamp();
  patience float8 := (ask->>'wait_seconds')::float8;
  lease    timestamptz := right_now + make_interval(secs => (ask->>'lease_seconds')::float8);
  found_key record;
  missed   record;
  account  record;
  line     text;
  my_place bigint;
  my_slot  smallint;
  spare    jsonb;
  quota    jsonb;
  refusal  text;
  item     order_items;
  in_bulk  boolean := ask ? 'order_id';
  headroom integer := 0;
  held_up  jsonb;
BEGIN
  PERFORM act_as(tenant, 'service', '{}');

  IF in_bulk THEN
    SELECT i.* INTO item FROM order_items i JOIN orders o ON o.id = i.order_id
      WHERE i.order_id = (ask->>'order_id')::uuid AND i.seq = (ask->>'seq')::integer AND i.outcome = 'waiting'
        AND i.tries = (ask->>'tries')::integer AND o.state IN ('pending', 'running') AND o.cancelled_at IS NULL
        AND (o.deadline IS NULL OR o.deadline > right_now)
        AND NOT (o.change->'buy'->>'fulfilment' = 'all' AND EXISTS (
          SELECT FROM order_items f WHERE f.order_id = o.id AND f.outcome IN ('failed', 'unresolved')))
      FOR UPDATE OF i;
    IF NOT FOUND THEN
      RETURN jsonb_build_object('outcome', 'gone');
    END IF;
    -- What was bought for it after the moment that the ledger was put back to bears its mark, and is not bought again. It
    -- counts by itself, so what the order reserved is given back.
    SELECT i.id, i.state, i.number_id INTO missed FROM intents i
      WHERE i.tenant_id = tenant AND i.mark = ask->>'mark' AND i.slot = 0 AND i.idempotency_key IS NULL
        AND i.order_id IS NULL AND i.state <> 'refused'
      LIMIT 1 FOR UPDATE;
    IF FOUND THEN
      UPDATE intents SET order_id = item.order_id, order_seq = item.seq WHERE id = missed.id;
      UPDATE order_items i SET intent_id = missed.id, claimed_until = NULL, busy_since = NULL,
          outcome = CASE missed.state WHEN 'owned' THEN 'done' WHEN 'unresolved' THEN 'unresolved' ELSE 'begun' END,
          reason = CASE missed.state WHEN 'unresolved' THEN 'unresolved' END,
          number_id = missed.number_id,
          phone_number = (SELECT n.phone_number FROM numbers n WHERE n.id = missed.number_id),
          ended_at = CASE WHEN missed.state IN ('owned', 'unresolved') THEN right_now END
        WHERE (i.order_id, i.seq) = (item.order_id, item.seq);
      PERFORM move_ordered(tenant, item.organization_id, ARRAY[item.user_id], ARRAY[1::bigint], item.counted_at, -1);
      RETURN jsonb_build_object('outcome', 'gone');
    END IF;
    in_bulk := coalesce(item.busy_since > right_now - interval '10 seconds', true);
  ELSIF idem IS NOT NULL THEN
    SELECT k.fingerprint, i.id, i.state, i.answer, i.decision, i.decided_at INTO found_key
      FROM idempotency_keys k JOIN intents i ON i.id = k.intent_id
      WHERE k.tenant_id = tenant AND k.scope = 'create' AND k.key = idem;
    -- A refusal is repeated for a minute; after that the key may try again, with an intent of its own. One that was
    -- decided without Teli's word, by a person or for want of any trace, stands: only a new key buys anew.
    IF FOUND AND NOT (found_key.state = 'refused' AND found_key.decision NOT IN ('presumed', 'operator')
                      AND found_key.decided_at < right_now - interval '60 seconds'
                      AND found_key.fingerprint = decode(ask->>'fingerprint', 'hex')) THEN
      RETURN jsonb_build_object('outcome', 'known', 'intent_id', found_key.id, 'state', found_key.state,
        'fingerprint_equal', found_key.fingerprint = decode(ask->>'fingerprint', 'hex'), 'answer', found_key.answer);
    END IF;
    -- What was bought after the moment that the ledger was put back to is known by its mark, and by its key once that is
    -- used again; it was sent from no slot that this ledger knows. Of what was asked for with it then nothing is left but for whom.
    IF found_key.id IS NULL THEN
      SELECT i.id, i.state, i.answer, (i.organization_id, i.user_id) = (org, owner) AS for_the_same INTO missed
        FROM intents i
        WHERE i.tenant_id = tenant AND i.mark = ask->>'mark' AND i.slot = 0 AND i.idempotency_key IS NULL
        LIMIT 1 FOR UPDATE;
      IF FOUND THEN
        IF missed.for_the_same THEN
          UPDATE intents SET idempotency_key = idem WHERE id = missed.id;
          INSERT INTO idempotency_keys (tenant_id, scope, key, fingerprint, intent_id)
            VALUES (tenant, 'create', idem, decode(ask->>'fingerprint', 'hex'), missed.id);
        END IF;
        RETURN jsonb_build_object('outcome', 'known', 'intent_id', missed.id, 'state', missed.state,
          'fingerprint_equal', missed.for_the_same, 'answer', missed.answer);
      END IF;
    END IF;
  ELSE
    -- Of equal requests at once the first has it; the others wait for that commit, and take the next, or buy.
    SELECT i.id, i.state, i.answer INTO missed FROM intents i
      WHERE i.tenant_id = tenant AND i.fingerprint = decode(ask->>'fingerprint', 'hex')
        AND i.undelivered_at > right_now - interval '10 minutes' AND i.state <> 'unresolved'
      ORDER BY i.undelivered_at LIMIT 1 FOR UPDATE;
    IF FOUND THEN
      UPDATE intents SET undelivered_at = NULL WHERE id = missed.id;
      RETURN jsonb_build_object('outcome', 'known', 'intent_id', missed.id, 'state', missed.state,
        'fingerprint_equal', true, 'answer', missed.answer, 'joined', true);
    END IF;
  END IF;

  SELECT a.id, a.name, a.mode, a.listed_at, a.teli_tenant_id, t.state AS tenant_state,
         f.rests_until, f.at_a_time, f.orders_wait_until INTO account
    FROM tenants t LEFT JOIN organizations o ON o.id = org
    JOIN accounts a ON a.id = coalesce(o.account_id, t.account_id)
    LEFT JOIN account_flow f ON f.account_id = a.id WHERE t.id = tenant;
  IF account.tenant_state <> 'active' OR EXISTS (SELECT FROM stops s WHERE (s.scope = 'global')
             OR (s.scope = 'tenant' AND s.id = tenant) OR (s.scope = 'account' AND s.id = account.id::text)) THEN
    RETURN jsonb_build_object('outcome', 'stopped') || CASE
      WHEN EXISTS (SELECT FROM stops s WHERE s.scope = 'global' AND s.id = 'recovering')
        THEN '{"why": "recovering"}' ELSE '{}' END::jsonb;
  END IF;
  IF NOT EXISTS (SELECT FROM grants g WHERE g.tenant_id = tenant AND g.organization_id = org) THEN
    RETURN jsonb_build_object('outcome', 'not_your_organization');
  END IF;
  IF NOT EXISTS (SELECT FROM users u WHERE u.organization_id = org AND u.id = owner) THEN
    RETURN jsonb_build_object('outcome', 'unknown_user', 'account_id', account.id);
  END IF;
  -- A process of the version before knows one key alone, which would be the wrong one.
  IF account.listed_at IS NULL OR (account.name <> 'default' AND NOT ask ? 'by_account') THEN
    RETURN jsonb_build_object('outcome', 'not_listed');
  END IF;

  IF undecided_after_restore(account.id, org, owner) THEN
    RETURN jsonb_build_object('outcome', 'stopped', 'why', 'after_restore');
  END IF;
  IF account.rests_until IS NOT NULL THEN
    RETURN jsonb_build_object('outcome', 'resting', 'account_id', account.id,
      'after', greatest(1, ceil(extract(epoch FROM account.rests_until - right_now)))::integer);
  END IF;
  IF item.order_id IS NOT NULL AND account.orders_wait_until > right_now THEN
    RETURN jsonb_build_object('outcome', 'busy', 'account_id', account.id, 'lane', false);
  END IF;

  -- First come, first served, over all replicas. Who has not queued yet waits behind everybody who does; who has is held
  -- up by earlier ones of other replicas only, for within a replica the one whose turn it is asks.
  line := CASE WHEN account.mode = 'lane' THEN owner ELSE '' END;
  SELECT q.place INTO my_place FROM send_queue q WHERE q.intent_id = standing;
  IF EXISTS (SELECT FROM send_queue q WHERE q.account_id = account.id AND q.queue IN (line, '')
             AND q.alive_until > right_now AND q.intent_id <> standing
             AND (my_place IS NULL OR (q.place < my_place AND q.replica <> (ask->>'replica')::uuid)))
     OR (account.mode = 'lane' AND lane_taken(account.id, owner)) THEN
    held_up := jsonb_build_object('account_id', account.id);
    IF item.order_id IS NOT NULL THEN
      held_up := held_up || jsonb_build_object('lane', account.mode = 'lane' AND lane_taken(account.id, owner));
    END IF;
    IF in_bulk THEN
      RETURN held_up || '{"outcome": "busy"}';
    END IF;
    RETURN wait_in_queue(account.id, line, standing, (ask->>'replica')::uuid, patience) || held_up;
  END IF;
  -- Of several slots a quarter is kept for purchases asked for one by one, which take these before the others.
  IF in_bulk THEN
    SELECT count(*) - orders_slots(account.id) INTO headroom FROM send_slots s WHERE s.account_id = account.id;
  END IF;
  UPDATE send_slots s SET intent_id = intent, held_until = lease
    WHERE (s.account_id, s.slot) = (
      SELECT f.account_id, f.slot FROM send_slots f
      WHERE f.account_id = account.id AND (f.intent_id IS NULL OR f.held_until < right_now) AND f.slot > headroom
        AND (NOT in_bulk OR account.at_a_time IS NULL OR f.slot <= headroom + floor(account.at_a_time))
      ORDER BY f.slot LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING s.slot INTO my_slot;
  IF NOT FOUND THEN
    IF in_bulk THEN
      RETURN jsonb_build_object('outcome', 'busy', 'account_id', account.id, 'lane', false);
    END IF;
    RETURN wait_in_queue(account.id, '', standing, (ask->>'replica')::uuid, patience)
           || jsonb_build_object('account_id', account.id);
  END IF;
  DELETE FROM send_queue q WHERE q.intent_id = standing;

  IF idem IS NOT NULL THEN
    INSERT INTO idempotency_keys AS k (tenant_id, scope, key, fingerprint, intent_id)
      VALUES (tenant, 'create', idem, decode(ask->>'fingerprint', 'hex'), intent)
      ON CONFLICT ON CONSTRAINT idempotency_keys_pkey DO UPDATE SET intent_id = excluded.intent_id
        WHERE k.intent_id = found_key.id;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'the same key was admitted meanwhile' USING ERRCODE = 'NG002';
    END IF;
  END IF;
  INSERT INTO intents (id, tenant_id, account_id, organization_id, user_id, area_code, wish, idempotency_key, mark,
                       request_id, state, admitted_at, lease_until, slot, holds_lane, fingerprint, order_id, order_seq,
                       counted_at)
    VALUES (intent, tenant, account.id, org, owner, ask->>'area_code', ask->'wish', idem, ask->>'mark',
            ask->>'request_id', 'sending', right_now, lease, my_slot, account.mode = 'lane',
            CASE WHEN idem IS NULL AND item.order_id IS NULL THEN decode(ask->>'fingerprint', 'hex') END,
            item.order_id, item.seq, item.counted_at);
  INSERT INTO attempts (intent_id, tenant_id, admitted_at) VALUES (intent, tenant, right_now);

  spare := spare_number(account.id, tenant, org, owner, ask->'near');
  IF item.order_id IS NOT NULL THEN
    UPDATE order_items i SET outcome = 'begun', intent_id = intent, area_code = ask->>'area_code', reason = NULL,
        claimed_until = NULL, busy_since = NULL
      WHERE (i.order_id, i.seq) = (item.order_id, item.seq);
    quota := send_ordered(tenant, org, owner, intent, item.counted_at, (ask->>'price')::bigint, right_now);
  ELSIF ask ? 'price' THEN
    quota := reserve_quota(tenant, org, owner, intent, (ask->>'price')::bigint, right_now);
  ELSE
    -- A process of the version before: it knows no money, and of a refusal these members alone.
    BEGIN
      quota := reserve_quota(tenant, org, owner, intent, 0, right_now);
    EXCEPTION WHEN SQLSTATE 'NG001' THEN
      GET STACKED DIAGNOSTICS refusal = PG_EXCEPTION_DETAIL;
      RAISE EXCEPTION 'quota exceeded' USING ERRCODE = 'NG001', DETAIL = jsonb_build_object('limit',
        refusal::jsonb->'limit', 'used', refusal::jsonb->'used', 'reserved', refusal::jsonb->'reserved')::text;
    END;
  END IF;
  IF quota->>'admitted_at' IS NOT NULL THEN
    UPDATE intents SET admitted_at = (quota->>'admitted_at')::timestamptz WHERE id = intent;
    UPDATE attempts SET admitted_at = (quota->>'admitted_at')::timestamptz WHERE intent_id = intent;
  END IF;
  RETURN jsonb_build_object('outcome', 'admitted', 'account_id', account.id, 'teli_tenant_id', account.teli_tenant_id,
                            'slot', my_slot, 'lane', account.mode = 'lane', 'quota', quota,
                            'spare', spare);
END $$
