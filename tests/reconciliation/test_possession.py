"""Over which time listings showed a row: kept with what changes, and nothing with what does not."""

from tests.support.gateway import ORGANIZATION, Gateway, Tenant

SHOWN = """
    SELECT gone_at IS NOT NULL,
           last_shown_at = (SELECT max(l.began_at) FROM listings l WHERE l.complete AND l.began_at < p.gone_at),
           shown_from IN (SELECT began_at FROM listings)
    FROM possession p WHERE phone_number = :number ORDER BY shown_from"""


async def test_a_row_that_is_gone_and_back_was_shown_twice_and_a_listing_that_changes_nothing_writes_nothing(
    gateway: Gateway, tenant: Tenant
):
    number = (await tenant.bought())["phone_number"]
    await gateway.follow_up()
    for _ in range(3):
        await gateway.look_everywhere()
    assert await gateway.sql(SHOWN, number=number) == [(False, None, True)]
    [[written]] = await gateway.sql("SELECT xmin::text FROM possession")

    await gateway.teli.arm("list_empty", times=2)
    for _ in range(2):
        await gateway.look_everywhere()
    assert await gateway.sql(SHOWN, number=number) == [(True, True, True)]

    for _ in range(2):
        await gateway.look_everywhere()
    assert await gateway.sql(SHOWN, number=number) == [(True, True, True), (False, None, True)]
    assert await gateway.sql("SELECT 1 FROM possession WHERE xmin::text = :written", written=written) == []


async def test_what_nothing_explains_is_shown_too(gateway: Gateway):
    [strange] = await gateway.teli.dashboard_buy("313", ORGANIZATION)
    await gateway.look_everywhere()

    assert await gateway.sql(SHOWN, number=strange) == [(False, None, True)]


async def test_what_was_gone_three_years_ago_is_forgotten(gateway: Gateway):
    await gateway.sql(
        "INSERT INTO possession SELECT id, age, '+13135550100', at, at, at FROM accounts,"
        " (VALUES ('older', now() - interval '37 months'), ('younger', now() - interval '35 months')) t (age, at)"
    )
    await gateway.worker.pruning.run()

    assert await gateway.sql("SELECT row_id FROM possession") == [("younger",)]
