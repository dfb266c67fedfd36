"""What is older than thirty days goes, save what is still needed."""

from sqlalchemy import text

from tests.support.gateway import Gateway

LISTINGS = (
    "INSERT INTO listings (account_id, organization_id, began_at, ended_at, row_count, complete, trustworthy)"
    " SELECT a.id, :organization, at, at, :count, :trustworthy, :trustworthy FROM accounts a,"
    " LATERAL (SELECT clock_timestamp() - make_interval(days => :days) + make_interval(secs => n) AS at"
    " FROM generate_series(1, :rows) n) listed"
)
GROUNDS = (
    "INSERT INTO decided_on (intent_id, tenant_id, at, kind, payload) SELECT gen_random_uuid(), 't',"
    " clock_timestamp() - make_interval(days => :days), 'absent', '\\x00' FROM generate_series(1, :rows)"
)
ANSWERED = "INSERT INTO answered_logins VALUES (:name, clock_timestamp() - make_interval(hours => :hours))"


async def listings(gateway: Gateway, organization: str, days: int, *, rows: int = 1, trustworthy: bool = True) -> None:
    """`days` old, each so many seconds younger as it comes later."""
    await gateway.sql(LISTINGS, organization=organization, count=days, days=days, rows=rows, trustworthy=trustworthy)


async def left(gateway: Gateway, organization: str) -> list[tuple[int, bool]]:
    rows = await gateway.sql(
        "SELECT row_count, trustworthy FROM listings WHERE organization_id = :o ORDER BY began_at", o=organization
    )
    return [(count, trustworthy) for count, trustworthy in rows]


async def test_old_listings_go_save_the_newest_of_each_place_that_can_be_trusted(gateway: Gateway):
    await listings(gateway, "busy", 31, rows=2_500)
    await listings(gateway, "busy", 29, rows=2)
    await listings(gateway, "quiet", 60)
    await listings(gateway, "quiet", 50)
    await listings(gateway, "quiet", 40, trustworthy=False)
    await listings(gateway, "quiet", 2, trustworthy=False)

    await gateway.worker.pruning.run()

    assert await left(gateway, "busy") == [(29, True)] * 2
    assert await left(gateway, "quiet") == [(50, True), (2, False)]


async def test_old_grounds_go_in_batches(gateway: Gateway):
    await gateway.sql(GROUNDS, days=31, rows=2_001)
    await gateway.sql(GROUNDS, days=29, rows=3)

    await gateway.worker.pruning.run()

    assert await gateway.sql("SELECT count(*) FROM decided_on") == [(3,)]


async def test_logins_that_were_answered_are_known_for_as_long_as_they_could_be_answered_again(gateway: Gateway):
    async with gateway.services.database.acting(duty="admin") as session:
        for name, hours in ((b"old", 25), (b"new", 23), (b"open", -1)):
            await session.execute(text(ANSWERED), {"name": name, "hours": hours})

    await gateway.worker.pruning.run()

    assert await gateway.sql("SELECT encode(hash, 'escape') FROM answered_logins ORDER BY expires_at") == [
        ("new",), ("open",),
    ]  # fmt: skip
