"""Confirming a purchase, and the life of its mark."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from service.kit.clock import utc_now
from service.numbers.confirm import Confirmation
from service.numbers.models import Number
from service.numbers.repository import Numbers
from service.teli.heard import Heard
from tests.conftest import OpenGateway
from tests.support.gateway import NUMBERS, USER, Gateway, Tenant
from tests.support.upstreams import OneUpstream

STRANGER = "1762896366429x599348279945130000"


WINDOW = timedelta(minutes=15)


async def ledger(gateway: Gateway, number: Mapping[str, Any]) -> dict[str, Any]:
    [(row,)] = await gateway.sql("SELECT to_jsonb(n) FROM numbers n WHERE id = :id", id=number["id"])
    found: dict[str, Any] = row
    return found


async def upstream(gateway: Gateway, number: Mapping[str, Any]) -> dict[str, Any]:
    """Teli's latest record of the number."""
    rows = (await gateway.teli.truth())["record"]["rows"]
    found: dict[str, Any] = [row for row in rows if row["phone_number"] == number["phone_number"]][-1]
    return found


async def mode(gateway: Gateway) -> str:
    return str((await gateway.sql("SELECT mode FROM accounts"))[0][0])


async def test_a_row_seen_with_its_mark_confirms_the_number_and_ends_lane_mode(gateway: Gateway, tenant: Tenant):
    assert await mode(gateway) == "lane"
    number = await tenant.bought(nickname="Sales")

    await gateway.follow_up()

    row, record = await ledger(gateway, number), await upstream(gateway, number)
    assert row["upstream_row_id"] == record["id"]
    assert row["upstream_created_at"]
    assert row["confirmed_at"]
    assert row["marked"] is True
    assert await mode(gateway) == "mark"
    unmark = await gateway.step("unmark")
    assert unmark["state"] == "waiting"
    [(keep,)] = await gateway.sql(
        "SELECT extract(epoch FROM due_at - clock_timestamp())::float FROM steps WHERE kind = 'unmark'"
    )
    assert gateway.settings.mark_keep - 60 < keep <= gateway.settings.mark_keep
    [intent] = await gateway.sql("SELECT request_id FROM intents")
    assert (await gateway.audited(number["id"])) == [("number.confirmed", "worker", intent[0])]
    assert await gateway.told(number["id"]) == ["number.acquired", "number.confirmed"]


async def test_confirming_twice_confirms_once(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    await gateway.follow_up()

    async with gateway.worker.database.acting() as session:
        stale = await session.get_one(Number, UUID(number["id"]))
    stale.confirmed_at, stale.upstream_row_id = None, None
    confirmation = Confirmation(Numbers(gateway.worker.database), gateway.worker.upstreams, mark_keep=1, window=WINDOW)

    assert await confirmation.confirm(stale, None, request_id=None)
    assert len(await gateway.sql("SELECT id FROM steps WHERE kind = 'unmark'")) == 1
    assert (await gateway.told(number["id"])).count("number.confirmed") == 1


@pytest.mark.parametrize("form", ["uuid", "unique_id"])
async def test_rows_may_name_their_owner_in_either_form_known_or_not(gateway: Gateway, tenant: Tenant, form: str):
    await gateway.teli.switch(id_form_numbers=form)

    for asked in (1, 0) if form == "uuid" else (0, 0):
        await gateway.teli.forget_requests()
        number = await tenant.bought()
        await gateway.follow_up()

        assert (await ledger(gateway, number))["confirmed_at"]
        assert len(await gateway.teli.requests("user_list")) == asked
        [(uuid,)] = await gateway.sql("SELECT upstream_uuid FROM users WHERE id = :id", id=USER)
        assert (uuid is not None) == (form == "uuid")


async def test_a_row_that_is_late_is_looked_for_again_with_growing_pauses(gateway: Gateway, tenant: Tenant):
    await gateway.teli.switch(list_lag_seconds=60)
    number = await tenant.bought()

    pauses = []
    for _ in range(4):
        await gateway.hurry()
        assert (await gateway.step("confirm"))["outcome"] == "not listed yet"
        [(pause,)] = await gateway.sql("SELECT extract(epoch FROM due_at - clock_timestamp())::float FROM steps")
        pauses.append(pause)
    assert pauses == sorted(pauses)
    assert (await ledger(gateway, number))["confirmed_at"] is None

    await gateway.teli.advance(61)
    await gateway.hurry()
    assert (await ledger(gateway, number))["confirmed_at"]
    assert await mode(gateway) == "mark"


async def test_a_listing_that_fails_or_lacks_the_row_changes_nothing(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    for fault in [
        "server_error",
        "html_error",
        "cut_json",
        "success_false",
        "unauthorized",
        "too_many_requests",
        "reset",
        "list_empty",
        "list_omits",
    ]:
        armed = await gateway.teli.arm(fault, operation="list")

        await gateway.hurry()

        assert (await gateway.teli.armed(armed))["struck"] == 1, fault
        assert (await gateway.step("confirm"))["state"] == "waiting", fault
        assert await mode(gateway) == "lane"
    await gateway.hurry()
    assert (await ledger(gateway, number))["confirmed_at"]


async def test_a_users_listing_that_fails_leaves_the_uuid_unknown_and_the_number_unconfirmed(
    gateway: Gateway, tenant: Tenant
):
    number = await tenant.bought()
    await gateway.teli.arm("server_error", operation="user_list")

    await gateway.follow_up()
    assert (await ledger(gateway, number))["confirmed_at"] is None

    await gateway.hurry()
    assert (await ledger(gateway, number))["confirmed_at"]


async def test_a_row_is_proof_although_the_listing_is_not_complete(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    await gateway.teli.arm("list_miscounts", operation="list")

    await gateway.follow_up()

    assert (await ledger(gateway, number))["confirmed_at"]


@pytest.mark.parametrize(
    ("switches", "marked"),
    [
        ({"nickname": "trimmed"}, True),
        ({"nickname": "cut", "nickname_length": 16}, True),
        ({"nickname": "cut", "nickname_length": 15}, True),
        ({"nickname": "cut", "nickname_length": 14}, False),
        ({"nickname": "dropped"}, False),
    ],
)
async def test_what_teli_keeps_of_a_nickname_says_whether_marks_come_back(
    gateway: Gateway, tenant: Tenant, switches: dict[str, Any], marked: bool
):
    await gateway.teli.switch(**switches)
    plain, named = await tenant.bought(), await tenant.bought(nickname="Sales")

    await gateway.follow_up()

    for number, nickname in ((plain, None), (named, "Sales")):
        row = await ledger(gateway, number)
        assert row["confirmed_at"]
        assert (row["marked"], row["nickname"]) == (marked, nickname)
    assert await mode(gateway) == ("mark" if marked else "lane")
    assert len(await gateway.sql("SELECT id FROM steps WHERE kind = 'unmark'")) == (2 if marked else 0)


async def test_a_mark_in_small_letters_or_with_blanks_around_it_is_still_a_mark(gateway: Gateway, tenant: Tenant):
    for rewritten in ("{lower}", "   {mark}Sales", "\u2003{lower}sales"):
        await gateway.sql("UPDATE accounts SET mode = 'lane'")
        number = await tenant.bought(nickname="Sales")
        mark = (await ledger(gateway, number))["mark"]
        await gateway.teli.dashboard_rename(number["phone_number"], rewritten.format(mark=mark, lower=mark.lower()))

        await gateway.follow_up()

        assert (await ledger(gateway, number))["marked"] is True
        assert await mode(gateway) == "mark"


async def test_a_mark_that_a_person_took_off_sends_the_account_back_into_lane_mode(gateway: Gateway, tenant: Tenant):
    await gateway.mark_mode(tenant)
    [(before,)] = await gateway.sql("SELECT revision FROM version")
    number = await tenant.bought(nickname="Sales")
    await gateway.teli.dashboard_rename(number["phone_number"], "Mine")

    await gateway.follow_up()

    row = await ledger(gateway, number)
    assert (row["marked"], row["nickname"], row["upstream_nickname"]) == (False, "Sales", "Mine")
    assert row["upstream_row_id"]
    assert await mode(gateway) == "lane"
    [(after,)] = await gateway.sql("SELECT revision FROM version")
    assert after > before
    learned = await gateway.sql(
        'SELECT before, "after" FROM audit WHERE action = :action ORDER BY id', action="account.mode_learned"
    )
    assert learned == [({"mode": "lane"}, {"mode": "mark"}), ({"mode": "mark"}, {"mode": "lane"})]


async def test_a_row_of_an_earlier_acquisition_is_never_taken_for_the_present_one(gateway: Gateway, tenant: Tenant):
    await gateway.teli.switch(nickname="dropped", recycle_released=True, removal_lag_seconds=3600)
    first = await tenant.bought()
    await gateway.follow_up()
    assert (await tenant.send("DELETE", f"{NUMBERS}/{first['phone_number']}")).status_code == 200

    second = await tenant.bought()
    await gateway.follow_up()

    assert second["phone_number"] == first["phone_number"]
    old, new = await ledger(gateway, first), await ledger(gateway, second)
    assert new["confirmed_at"]
    assert new["upstream_row_id"] == (await upstream(gateway, second))["id"] != old["upstream_row_id"]


class FakeTeli:
    """Answers listings of one row, and knows one user by both forms of its id."""

    def __init__(self, **row: Any) -> None:
        self.row = {"id": "row-1", "user_id": USER, "nickname": None, **row}

    async def list_numbers(self, organization: str, user: str, *, whole: bool) -> Heard:
        return self._answer({"success": True, "count": 1, "phone_numbers": [self.row]})

    async def users(self, organization: str) -> Heard:
        return self._answer({"users": [{"unique_id": USER, "id": "uuid-of-user"}]})

    def _answer(self, body: dict[str, Any]) -> Heard:
        return Heard("answer", 200, {}, orjson.dumps(body))


ROWS: tuple[tuple[dict[str, Any], bool], ...] = (
    ({"user_id": STRANGER}, False),
    ({"user_id": "uuid-of-stranger"}, False),
    ({"nickname": "[0123456789ABC] of another purchase"}, False),
    ({"phone_number": "+13135550000"}, False),
    ({"id": None}, False),
    ({"id": "row-1"}, True),
    ({"id": "row-2", "user_id": "uuid-of-user"}, True),
    ({"id": "row-3", "user_id": None}, True),
)


async def test_only_a_row_of_the_same_number_and_owner_without_anothers_mark_is_ours(gateway: Gateway, tenant: Tenant):
    for row, ours in ROWS:
        number = await tenant.bought()
        fake = FakeTeli(**{"phone_number": number["phone_number"], **row})
        confirmation = Confirmation(Numbers(gateway.worker.database), OneUpstream(fake), mark_keep=1, window=WINDOW)
        async with gateway.worker.database.acting() as session:
            held = await session.get_one(Number, UUID(number["id"]))

        assert await confirmation.confirm(held, None, request_id="r") is ours, row
        assert (await ledger(gateway, number))["upstream_row_id"] == (row["id"] if ours else None)


async def test_a_row_that_may_be_of_whoever_had_the_number_before_is_waited_out(gateway: Gateway, tenant: Tenant):
    before = (utc_now() - timedelta(minutes=1)).isoformat()
    for earlier in ({"nickname": "Front desk", "created_at": ""}, {"created_at": before}):
        number = await tenant.bought()
        fake = FakeTeli(**{"phone_number": number["phone_number"], "id": f"row of {number['id']}", **earlier})
        confirmation = Confirmation(Numbers(gateway.worker.database), OneUpstream(fake), mark_keep=1, window=WINDOW)
        async with gateway.worker.database.acting() as session:
            held = await session.get_one(Number, UUID(number["id"]))

        assert await confirmation.look(held, None, request_id="r") == "not to be told"
        assert (await ledger(gateway, number))["confirmed_at"] is None

        held.acquired_at -= WINDOW
        assert await confirmation.look(held, None, request_id="r") == "confirmed"


async def test_a_user_whose_uuid_changed_is_asked_for_again(gateway: Gateway, tenant: Tenant):
    await gateway.sql("UPDATE users SET upstream_uuid = 'an older one'")
    number = await tenant.bought()

    await gateway.follow_up()

    assert (await ledger(gateway, number))["confirmed_at"]


async def test_after_its_time_the_mark_is_taken_off_and_the_present_nickname_written(
    open_gateway: OpenGateway,
):
    async with open_gateway(mark_keep=0.1) as gateway:
        tenant = await gateway.tenant()
        number = await tenant.bought(nickname="Sales")
        mark = (await ledger(gateway, number))["mark"]
        assert (await upstream(gateway, number))["nickname"] == f"{mark}Sales"
        await tenant.send("POST", f"{NUMBERS}/{number['phone_number']}/update-agent", json={"nickname": "Support"})
        assert (await upstream(gateway, number))["nickname"] == f"{mark}Support"

        await gateway.follow_up()
        await gateway.hurry()

        assert (await upstream(gateway, number))["nickname"] == "Support"
        row = await ledger(gateway, number)
        assert (row["marked"], row["nickname"], row["upstream_nickname"]) == (False, "Support", "Support")
        assert await mode(gateway) == "mark"
        assert (await gateway.audited(number["id"]))[-1][:2] == ("number.unmarked", "worker")

        await tenant.send("POST", f"{NUMBERS}/{number['phone_number']}/update-agent", json={"nickname": "Desk"})
        assert (await upstream(gateway, number))["nickname"] == "Desk"


async def test_until_then_every_nickname_written_keeps_the_mark_also_an_empty_one(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought(nickname="Sales")
    await gateway.follow_up()
    mark = (await ledger(gateway, number))["mark"]

    for nickname, stands in (("", None), ("Support", "Support"), (None, None)):
        await tenant.send("POST", f"{NUMBERS}/{number['phone_number']}/update-agent", json={"nickname": nickname})

        assert (await ledger(gateway, number))["nickname"] == stands
        assert (await upstream(gateway, number))["nickname"] == f"{mark}{stands or ''}".strip()


async def test_the_mark_is_left_alone_on_a_released_number(open_gateway: OpenGateway):
    async with open_gateway(mark_keep=0.1) as gateway:
        tenant = await gateway.tenant()
        number = await tenant.bought()
        await gateway.follow_up_once()
        assert (await tenant.send("DELETE", f"{NUMBERS}/{number['phone_number']}")).status_code == 200
        await gateway.teli.forget_requests()

        await gateway.hurry()

        assert (await gateway.step("unmark"))["outcome"] == "nothing to take off"
        assert await gateway.teli.requests() == []


async def test_what_a_person_wrote_over_the_mark_stays(open_gateway: OpenGateway):
    async with open_gateway(mark_keep=0.1) as gateway:
        tenant = await gateway.tenant()
        number = await tenant.bought(nickname="Sales")
        await gateway.follow_up_once()
        await gateway.teli.dashboard_rename(number["phone_number"], "Mine")

        await gateway.hurry()

        row = await ledger(gateway, number)
        assert (row["marked"], row["upstream_nickname"]) == (False, "Mine")
        assert (await upstream(gateway, number))["nickname"] == "Mine"


async def test_taking_the_mark_off_is_tried_again_until_teli_says_so(open_gateway: OpenGateway):
    async with open_gateway(mark_keep=0.1) as gateway:
        tenant = await gateway.tenant()
        number = await tenant.bought(nickname="Sales")
        await gateway.follow_up_once()
        for fault in ("server_error", "html_error", "reset"):
            await gateway.teli.arm(fault, operation="update_agent", step="received")

            await gateway.hurry()

            assert (await gateway.step("unmark"))["state"] == "waiting", fault
            assert (await ledger(gateway, number))["marked"] is True
        await gateway.hurry()
        assert (await ledger(gateway, number))["marked"] is False
        assert (await upstream(gateway, number))["nickname"] == "Sales"


async def test_of_a_number_released_before_it_was_listed_no_more_is_asked(gateway: Gateway, tenant: Tenant):
    await tenant.bought()
    await gateway.sql("UPDATE numbers SET state = 'released', released_at = clock_timestamp()")
    await gateway.teli.forget_requests()

    await gateway.follow_up()

    assert (await gateway.step("confirm"))["state"] == "done"
    assert await gateway.teli.requests() == []
