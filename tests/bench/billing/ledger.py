"""A ledger that finance closes: numbers with their facts, some of which moved, and a price book of a few versions."""

import asyncpg

from service.kit.clock import utc_now
from service.kit.money import months_later

# One of ten was given to another user since, one of twenty to another cost centre.
FACTS = """
TRUNCATE number_facts, price_versions CASCADE;
INSERT INTO number_facts (number_id, valid_at, tenant_id, organization_id, user_id, holder_user_id, cost_center, tags,
    number_type, area_code, acquired_at, ended_at)
  SELECT id, acquired_at, tenant_id, organization_id, user_id, holder_user_id, cost_center, tags, number_type,
    area_code, acquired_at, coalesce(released_at, CASE WHEN state = 'missing' THEN now() END)
  FROM numbers ORDER BY acquired_at;
INSERT INTO number_facts (number_id, valid_at, tenant_id, organization_id, user_id, holder_user_id, cost_center, tags,
    number_type, area_code, acquired_at, ended_at)
  SELECT number_id, acquired_at + (least(ended_at, now()) - acquired_at) * (seq % 7) / 7, tenant_id, organization_id,
    user_id, CASE WHEN seq % 10 = 0 THEN 'user-moved' ELSE holder_user_id END,
    CASE WHEN seq % 20 = 1 THEN 'CC-moved' ELSE cost_center END, tags, number_type, area_code, acquired_at, ended_at
  FROM number_facts WHERE seq % 10 = 0 OR seq % 20 = 1 ORDER BY seq;
INSERT INTO price_versions (id, organization_id, area_code, since, setup, monthly, currency, created_by)
  VALUES (gen_random_uuid(), NULL, NULL, '1970-01-01', 1000000, 2990000, 'USD', 'bench'),
         (gen_random_uuid(), NULL, NULL, '{rise}', 1000000, 3190000, 'USD', 'bench'),
         (gen_random_uuid(), NULL, '212', '1970-01-01', 1500000, 3990000, 'USD', 'bench'),
         (gen_random_uuid(), 'org-0000', NULL, '1970-01-01', 0, 2490000, 'USD', 'bench');
ANALYZE number_facts, price_versions;
"""


async def with_facts(url: str) -> None:
    """Tell each number's facts anew, and file the prices, one of which rises within last month."""
    connection = await asyncpg.connect(url, server_settings={"session_replication_role": "replica"})
    try:
        this = utc_now().date().replace(day=1)
        await connection.execute(FACTS.replace("{rise}", str(months_later(this, -1).replace(day=11))))
        await connection.execute("VACUUM (FREEZE) number_facts")
    finally:
        await connection.close()
