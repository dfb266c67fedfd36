"""What a doubt was decided on is kept: small, for operators alone."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import text

from service.kit.phone import E164
from service.reconciliation.absence import Taken
from service.reconciliation.grounds import LIMIT, MOST_ROWS, Considered, packed, unpacked
from service.reconciliation.judgement import Doubt, Observation, Place
from service.teli.listing import Row
from tests.reconciliation.test_resolver import doubt, look_again, until_unresolved
from tests.support.gateway import ORGANIZATION, Gateway, Tenant

NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
OURS = Doubt(
    id=UUID(int=1), account_id=UUID(int=2), organization_id="north", tenant_id="alpha", user_id="ann",
    mark="[AAAAA00000001] ", request_id="r", state="doubtful", named_number="+13135550199", admitted_at=NOON,
    ended_at=NOON, holds_lane=False,
)  # fmt: skip


def row(number: int, user: str | None = "ann", nickname: str | None = None, created_at: str | None = None) -> Row:
    phone_number = E164(f"+1313{5550000 + number}")
    return Row(f"row-{number}", phone_number, "north", user, nickname, None, created_at, None, None)


def seen(*rows: Row) -> Observation:
    return Observation(Place(UUID(int=2), "north"), NOON + timedelta(minutes=1), rows, complete=True)


def test_only_rows_of_its_user_its_mark_or_its_number_are_kept_and_only_looks_since_its_send():
    others = (row(1, user="bob"), row(2, user=None))
    marked, named = row(3, user="bob", nickname="[AAAAA00000001] desk"), row(199, user=None)
    looks = [Taken(NOON + timedelta(minutes=minutes), True, True) for minutes in (-1, 1, 2)]

    grounds = Considered(seen(*others, row(4), marked, named)).grounds(OURS, "absent", looks=looks)

    assert (grounds.intent_id, grounds.tenant_id, grounds.kind) == (OURS.id, "alpha", "absent")
    told = unpacked(grounds.payload)
    assert [one["row_id"] for one in told["rows"]] == ["row-3", "row-199", "row-4"]
    assert told["looks"] == ["2026-05-05T12:01:00Z", "2026-05-05T12:02:00Z"]
    assert (told["listed"], told["complete"], told["rows_left_out"], told["counts"]) == (5, True, 0, None)


def test_of_many_rows_the_newest_are_kept_and_the_others_counted():
    rows = [row(number, created_at=f"2026-05-04T10:{number % 60:02}:{number // 60:02}") for number in range(200, 700)]

    told = unpacked(Considered(seen(*rows)).grounds(OURS, "seen").payload)

    newest = sorted((one.created_at for one in rows if one.created_at), reverse=True)[:MOST_ROWS]
    assert [one["created_at"] for one in told["rows"]] == newest
    assert told["rows_left_out"] == 400


def test_however_much_there_is_it_stays_below_its_limit():
    chance = Random(1)
    texts = ["".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(5000)) for _ in range(MOST_ROWS)]
    rows = [replace(row(number), nickname=text) for number, text in enumerate(texts)]
    assert len(Considered(seen(*rows)).grounds(OURS, "seen").payload) <= LIMIT

    payload = packed({"rows": [{"nickname": text} for text in texts], "rows_left_out": 3, "looks": ["now"] * 9})

    assert len(payload) <= LIMIT
    told = unpacked(payload)
    assert 0 < len(told["rows"]) < MOST_ROWS
    assert told["rows_left_out"] == 3 + MOST_ROWS - len(told["rows"])


async def kept(gateway: Gateway, operation: str) -> dict[str, dict[str, Any]]:
    answer = await gateway.operator.get(f"/v1/admin/doubts/{operation}")
    assert answer.status_code == 200, answer.text
    return {one["kind"]: one for one in answer.json()["decided_on"]}


async def test_a_doubt_that_a_listing_proved_shows_the_row(gateway: Gateway, tenant: Tenant):
    operation = await doubt(gateway, tenant, step="answering")
    await gateway.worker.resolver.run()

    found = await kept(gateway, operation)

    [purchase] = await gateway.teli.purchases()
    assert list(found) == ["seen"]
    assert [one["phone_number"] for one in found["seen"]["rows"]] == [purchase["phone_number"]]


async def test_a_doubt_written_off_shows_the_looks_that_proved_its_absence_and_what_teli_counted(open_gateway):
    async with open_gateway(upstream_timeout=0.5, settling_window=0.9, write_off=1.5) as gateway:
        tenant = await gateway.tenant(quota=1)
        operation = await until_unresolved(gateway, tenant)
        await asyncio.sleep(1.5)
        await look_again(gateway)

        found = await kept(gateway, operation)

        assert list(found) == ["absent", "presumed"]
        assert len(found["absent"]["looks"]) >= 3
        today = datetime.now(UTC).date().isoformat()
        assert found["presumed"]["counts"] == {"since": today, "counted": 0, "known": 0}


async def test_only_operators_read_what_was_decided_on(gateway: Gateway, tenant: Tenant):
    operation = await doubt(gateway, tenant, step="answering")
    await gateway.worker.resolver.run()

    answer = await tenant.get(f"/v1/admin/doubts/{operation}")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    counted = "SELECT count(*) FROM decided_on"
    for principal, rows in (
        ({"tenant": tenant.id}, 0),
        ({"duty": "admin", "sees": ["*"]}, 0),
        ({"duty": "operator", "sees": ["elsewhere"]}, 0),
        ({"duty": "operator", "sees": [ORGANIZATION]}, 1),
    ):
        async with gateway.services.database.acting(**principal) as session:
            assert await session.scalar(text(counted)) == rows
    missing = await gateway.operator.get(f"/v1/admin/doubts/{UUID(int=7)}")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
