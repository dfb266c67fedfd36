-- Items of orders that are to be sent next by this account, each held for its claimant alone until it is admitted, put
-- back, or `seconds` are over; `most` of them.
--
-- Whose turn it is tells start-time fair queueing: each send moves its tenant's `pass` on by one part in its weight, and
-- the lowest comes first. Who had nothing to send is not owed the past: it stands at most a few of its own sends behind
-- the others. The weight is the policy's as it is now; it is kept beside, so that a turn is given back as it was taken.
-- Of one tenant the order that waited longest comes first, and of an order its first item.
-- `without` are tenants, and `without_users` owners, of whom whoever asks has just heard that nothing of theirs may be
-- sent now: what stands first must not keep the others from their turns.
-- Nothing is waited for here: what somebody else has locked is passed over.
CREATE FUNCTION claim_order_items(
  account uuid, most integer, seconds float8, without text[], without_users text[]
) RETURNS SETOF order_items
LANGUAGE plpgsql SECURITY INVOKER AS $$
DECLARE
  right_now timestamptz := clock_timestamp();
  left_out  text[] := without;
  tenants_now text[];
  share     record;
  item      order_items;
  turn      uuid;
  latest    float8;
  slack     CONSTANT float8 := 4;
  granted   integer := 0;
BEGIN
  -- Tenant by tenant through the index, however much each of them has ordered.
  WITH RECURSIVE found AS (
    SELECT min(i.tenant_id) AS tenant_id FROM order_items i
      WHERE i.account_id = account AND i.outcome = 'waiting' AND i.counted_at IS NOT NULL
    UNION ALL
    SELECT (SELECT min(i.tenant_id) FROM order_items i WHERE i.account_id = account AND i.outcome = 'waiting'
              AND i.counted_at IS NOT NULL AND i.tenant_id > found.tenant_id)
      FROM found WHERE found.tenant_id IS NOT NULL)
  SELECT array_agg(tenant_id) INTO tenants_now FROM found WHERE tenant_id IS NOT NULL;
  INSERT INTO order_shares (account_id, tenant_id) SELECT account, unnest(tenants_now) ON CONFLICT DO NOTHING;
  WHILE granted < most LOOP
    SELECT max(s.started) INTO latest FROM order_shares s WHERE s.account_id = account;
    SELECT s.tenant_id, t.order_weight AS weight, greatest(s.pass, latest - slack / t.order_weight) AS starts
      INTO share FROM order_shares s JOIN tenants t ON t.id = s.tenant_id
      WHERE s.account_id = account AND s.tenant_id = ANY (tenants_now) AND NOT s.tenant_id = ANY (left_out)
      ORDER BY starts, s.tenant_id LIMIT 1;
    EXIT WHEN NOT FOUND;
    SELECT o.id INTO turn FROM orders o
      WHERE o.tenant_id = share.tenant_id AND o.kind = 'buy' AND o.state IN ('pending', 'running')
        AND o.cancelled_at IS NULL AND (o.deadline IS NULL OR o.deadline > right_now)
        AND EXISTS (SELECT FROM order_items i WHERE i.order_id = o.id AND i.account_id = account
                    AND i.outcome = 'waiting' AND i.counted_at IS NOT NULL AND i.due_at <= right_now
                    AND (i.claimed_until IS NULL OR i.claimed_until < right_now)
                    AND NOT i.user_id = ANY (without_users))
      ORDER BY o.turned_at NULLS FIRST, o.applied_at, o.id LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
      SELECT i.* INTO item FROM order_items i
        WHERE i.order_id = turn AND i.account_id = account AND i.outcome = 'waiting' AND i.counted_at IS NOT NULL
          AND i.due_at <= right_now AND (i.claimed_until IS NULL OR i.claimed_until < right_now)
          AND NOT i.user_id = ANY (without_users)
        ORDER BY i.seq LIMIT 1 FOR UPDATE SKIP LOCKED;
    END IF;
    IF NOT FOUND THEN
      left_out := left_out || share.tenant_id;
      CONTINUE;
    END IF;
    UPDATE orders SET turned_at = clock_timestamp(), state = 'running' WHERE id = turn;
    UPDATE order_items i SET claimed_until = right_now + make_interval(secs => seconds)
      WHERE (i.order_id, i.seq) = (item.order_id, item.seq) RETURNING i.* INTO item;
    UPDATE order_shares s SET weight = share.weight, started = greatest(s.pass, share.starts),
        pass = greatest(s.pass, share.starts) + 1.0 / share.weight
      WHERE (s.account_id, s.tenant_id) = (account, share.tenant_id);
    granted := granted + 1;
    RETURN NEXT item;
  END LOOP;
END $$
