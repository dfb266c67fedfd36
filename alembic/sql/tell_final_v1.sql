-- Tells each tenant that is charged in a month that the month is final: how much of it is the tenant's own, and never an
-- amount. Who may read events may not therefore read what is paid. Answers how many tenants were told.
CREATE FUNCTION tell_final(period date) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY INVOKER AS $$
  SELECT count(record_event(c.tenant_id, 'statement.final', NULL, NULL, jsonb_build_object(
           'period', to_char(period, 'YYYY-MM'), 'hash', encode(p.hash, 'hex'), 'charges', c.charges,
           'corrections', c.corrections, 'organization_ids', c.organization_ids))::text)
  FROM billing_periods p, (
    SELECT g.tenant_id, count(*) AS charges, count(g.corrects) AS corrections,
           (array_agg(DISTINCT g.organization_id))[1:100] AS organization_ids
    FROM charges g WHERE g.month = period GROUP BY g.tenant_id ORDER BY g.tenant_id
  ) c
  WHERE p.month = period
$$
