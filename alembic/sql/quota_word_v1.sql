-- A limit as it is told: in a refusal, and of an admission the tightest. `asked`: what one more needs of it. Times are seconds since 1970.
CREATE FUNCTION quota_word(
  q quotas, name text, allowed bigint, used bigint, reserved bigint, needs bigint, resets_at timestamptz
) RETURNS jsonb LANGUAGE sql STABLE SECURITY INVOKER AS $$
  SELECT jsonb_build_object('limit_name', name, 'scope', q.scope,
    'scope_id', coalesce(nullif(q.tenant_id, ''), nullif(q.user_id, ''), nullif(q.organization_id, '')), 'limit', allowed,
    'used', used, 'reserved', reserved, 'asked', needs, 'resets_at', extract(epoch FROM resets_at))
$$
