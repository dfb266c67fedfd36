"""A caller with defaults never buys twice and always learns the outcome, whatever breaks on either side."""

import asyncio
from collections import Counter
from itertools import product
from typing import Any

import pytest

from service.client.errors import NoNumbersAvailable, OutcomeUnknown, StillPending
from tests.client.asked import AREA_CODES, Wire, asking
from tests.http.serving import served
from tests.support.gateway import USER, Gateway

pytestmark = pytest.mark.usefixtures("patient_sends")
# What Teli does, and at which step; money is spent from "bought" on.
UPSTREAM: dict[str, dict[str, Any] | None] = {
    "nothing": None,
    "its answer is lost after it bought": {"fault": "reset", "step": "recorded"},
    "it says 500 after it bought": {"fault": "server_error", "step": "recorded"},
    "its answer is cut short": {"fault": "cut_json"},
    "it is slow": {"fault": "slow", "seconds": 1.2},
}
WIRE: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "the request is cut": ("cut",),
    "the answer is lost, twice": ("lost", "lost"),
    "a proxy says 502": ("proxy",),
}


# Each pair of the two has an area code of its own, by which Teli's faults are told apart.
PAIRS = [(area_code, *pair) for area_code, pair in zip(AREA_CODES, product(UPSTREAM, WIRE), strict=True)]


async def test_one_number_is_bought_and_told_whatever_breaks_on_either_side(gateway: Gateway, kind: str):
    tenant = await gateway.tenant()
    await gateway.mark_mode(tenant)

    async def one(port: int, area_code: str, upstream: str, between: str) -> None:
        if (fault := UPSTREAM[upstream]) is not None:
            await gateway.teli.arm(**fault, match={"area_code": area_code})
        wire = Wire(*WIRE[between])
        async with asking(kind, f"http://127.0.0.1:{port}", tenant.key, transport=wire) as asked:
            number = await asked("buy", area_code, USER)
        assert (number.area_code, number.state, wire.faults) == (area_code, "active", [])
        assert len({key for key in wire.keys if key is not None}) == 1, "one key over all attempts"

    async with served(gateway) as port:
        await gateway.looking_meanwhile(asyncio.gather(*(one(port, *pair) for pair in PAIRS)))

    sold = Counter(purchase["phone_number"][2:5] for purchase in await gateway.teli.purchases())
    assert sold - Counter(["313"]) == Counter(AREA_CODES)  # The one of 313 more is from mark_mode.


async def test_each_purchase_has_a_key_of_its_own_and_may_be_given_one(gateway: Gateway, kind: str):
    tenant, wire = await gateway.tenant(), Wire()
    async with (
        served(gateway) as port,
        asking(kind, f"http://127.0.0.1:{port}", tenant.key, transport=wire) as asked,
    ):
        numbers = [await asked("buy", "313", USER) for _ in range(2)]
        again = [await asked("buy", "313", USER, idempotency_key="order-17") for _ in range(2)]

    assert len({one.id for one in numbers}) == 2
    assert again[0] == again[1]
    assert len(set(wire.keys)) == 3 and None not in wire.keys


async def test_what_cannot_be_learned_in_time_is_told_as_unknown_and_learned_by_the_same_key(
    gateway: Gateway, kind: str
):
    tenant = await gateway.tenant()
    async with served(gateway) as port:
        url = f"http://127.0.0.1:{port}"
        async with asking(kind, url, tenant.key, transport=Wire(*["lost"] * 99), retry_for=0.5) as asked:
            with pytest.raises(OutcomeUnknown) as told:
                await asked("buy", "313", USER)
        async with asking(kind, url, tenant.key) as asked:
            number = await asked("buy", "313", USER, idempotency_key=told.value.idempotency_key)

    assert number.state == "active"
    assert (await gateway.teli.counts())["bought"] == 1


async def test_a_purchase_that_outlasts_its_caller_is_resumed(gateway: Gateway, kind: str):
    tenant = await gateway.tenant()
    await gateway.teli.hold("bought")
    async with served(gateway) as port, asking(kind, f"http://127.0.0.1:{port}", tenant.key) as asked:
        with pytest.raises(StillPending) as told:
            await asked("buy", "313", USER, wait=0)
        with pytest.raises(StillPending) as waited:
            await asked("resume", told.value, wait=0.3)
        await gateway.teli.until_held()
        await gateway.teli.release_holds()
        operation = await asked("resume", waited.value.operation)
        number = await asked("buy", "313", USER, idempotency_key=told.value.idempotency_key)

    assert operation.state == "succeeded"
    assert (operation.number_id, number.id) == (number.id, operation.number_id)
    assert (await gateway.teli.counts())["bought"] == 1


async def test_an_operation_that_failed_is_raised_as_its_problem(gateway: Gateway, kind: str):
    tenant = await gateway.tenant()
    await gateway.teli.stock("313", 0)
    await gateway.teli.hold("received")
    async with served(gateway) as port, asking(kind, f"http://127.0.0.1:{port}", tenant.key) as asked:
        with pytest.raises(StillPending) as told:
            await asked("buy", "313", USER, wait=0)
        await gateway.teli.until_held()
        await gateway.teli.release_holds()
        with pytest.raises(NoNumbersAvailable) as refused:
            await asked("resume", told.value)

    assert refused.value.status == 409
    assert refused.value.members["suggestions"]


async def test_two_at_once_with_one_key_get_one_number(gateway: Gateway, kind: str):
    tenant = await gateway.tenant()
    async with served(gateway) as port, asking(kind, f"http://127.0.0.1:{port}", tenant.key) as asked:
        both = await asyncio.gather(*(asked("buy", "313", USER, idempotency_key="one") for _ in range(2)))

    assert both[0].id == both[1].id
    assert (await gateway.teli.counts())["bought"] == 1
