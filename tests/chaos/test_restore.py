"""The restore drill: of what a database lost that was put back by plain tools, nothing is lost, nor bought again."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import asyncpg
import httpx
import hypothesis
import pytest

from service.embedded import EmbeddedValkey, temporary_data_dir
from service.migrations import migrate
from tests.chaos.stage import AUTHOR, TIMES, Stage, stage
from tests.conftest import TEMPLATE, Engines, execute
from tests.numbers.ledger import check
from tests.orders.desk import order, wanted
from tests.simulator.program import Simulator
from tests.support.archived import ArchivedPostgres
from tests.support.gateway import CREATE, Tenant

pytestmark = [pytest.mark.processes, pytest.mark.ci, pytest.mark.timeout(900)]

FULL = hypothesis.settings.get_current_profile_name() == "deep"
PURCHASES = 1_000 if FULL else 30
CALLERS = 16
RECOVERED_WITHIN = 60.0
# More than are begun at a time.
ORDERED = 60
Tell = Callable[[str, object], None]
UNHURRIED = TIMES | {"NUMBERGATE_UPSTREAM_TIMEOUT": "6", "NUMBERGATE_ANSWER_WITHIN": "6"} | {
    "NUMBERGATE_SETTLING_WINDOW": "11", "NUMBERGATE_WRITE_OFF": "12", "NUMBERGATE_MARK_KEEP": "3600",
}  # fmt: skip


@dataclass
class Drill:
    opened: Stage
    postgres: ArchivedPostgres
    tenant: Tenant
    users: list[str]
    before: dict[str, str] = field(default_factory=dict)
    keyed: dict[str, str] = field(default_factory=dict)
    keyless: list[str] = field(default_factory=list)
    whose: dict[str, str] = field(default_factory=dict)

    async def ask(self, user: str, key: str | None) -> httpx.Response:
        body = {"area_code": "313", "user_id": user, "organization_id": self.opened.organization}
        headers = {"Idempotency-Key": key} if key else {}
        return await self.tenant.send("POST", CREATE, json=body, headers=headers)

    async def buy(self, user: str, key: str | None) -> str:
        answer = await self.ask(user, key)
        assert answer.status_code == 200, answer.text
        number: str = answer.json()["phone_number"]
        self.whose[number] = user
        return number

    async def buy_many(self, count: int) -> None:
        """Half of them with a key, for one user after the other."""
        todo = iter(zip(range(count), cycle(self.users), strict=False))

        async def call() -> None:
            for index, user in todo:
                if index % 2:
                    self.keyed[f"after-{index}"] = await self.buy(user, f"after-{index}")
                else:
                    self.keyless.append(await self.buy(user, None))

        await asyncio.gather(*(call() for _ in range(CALLERS)))

    @property
    def lost(self) -> set[str]:
        return {*self.keyed.values(), *self.keyless}

    async def sold(self) -> Counter[str]:
        """Purchases ever made."""
        return Counter(
            one["phone_number"]
            for one in await self.opened.teli.purchases()
            if one["organization_id"] == self.opened.organization
        )

    async def disaster(self, moment: str = "before") -> float:
        """The seconds from when the restored database answers until purchases go on."""
        await self.postgres.lose_everything_after(moment)
        began = time.monotonic()
        self.opened.ledger = await asyncpg.connect(self.opened.url)
        async with asyncio.timeout(RECOVERED_WITHIN):
            # That it noticed is for the processes to do, which have lived through it.
            while not await self.opened.sql("SELECT FROM audit WHERE action = 'recovery.begun'"):
                await asyncio.sleep(0.05)
            await self._nothing_is_bought_meanwhile()
            while await self.opened.sql("SELECT FROM stops"):
                await asyncio.sleep(0.1)
        return time.monotonic() - began

    async def _nothing_is_bought_meanwhile(self) -> None:
        for key in ("never-used", None):
            while True:
                answer = await self.ask(self.opened.user, key)
                if answer.json().get("code") != "storage_unavailable":
                    break
            assert (answer.status_code, answer.json()["code"]) == (503, "purchases_stopped"), answer.text

    async def numbers(self) -> dict[str, tuple[Any, ...]]:
        rows = await self.opened.sql("SELECT phone_number, tenant_id, organization_id, user_id, state FROM numbers")
        return {number: tuple(rest) for number, *rest in rows}


@asynccontextmanager
async def drill(teli_process: Simulator) -> AsyncIterator[Drill]:
    with temporary_data_dir() as data:
        async with ArchivedPostgres(data, fast=True) as postgres, EmbeddedValkey(data) as valkey:
            engines = Engines(postgres, valkey)
            await execute(engines, f"CREATE DATABASE {TEMPLATE}")
            await migrate(postgres.superuser_url(TEMPLATE))
            async with (
                stage(engines, TEMPLATE, teli_process, apis=1, times=UNHURRIED) as opened,
                httpx.AsyncClient(base_url=opened.api.url, timeout=60, trust_env=False) as http,
            ):
                tenant = await opened.tenant(http, quota=PURCHASES + 100)
                found = Drill(opened, postgres, tenant, [opened.user, opened.lost])
                for index in range(2):
                    found.before[f"before-{index}"] = await found.buy(opened.user, f"before-{index}")
                await confirmed(opened)
                await postgres.back_up()
                found.before["in-the-archive"] = await found.buy(opened.user, "in-the-archive")
                await confirmed(opened)
                await postgres.name_moment("before")
                yield found


async def half_bought(one: Drill) -> str:
    """An order of which some are bought, some are being bought and some wait, at the moment that is restored to."""
    body = wanted(ORDERED, user_id=one.opened.user, organization_id=one.opened.organization)
    await one.opened.teli.switch(latency_ms={"create": 1000})
    try:
        placed = await one.tenant.send("POST", "/v1/orders", json=body)
        assert placed.status_code == 202, placed.text
        order_id: str = placed.json()["order_id"]
        async with asyncio.timeout(60):
            while (await order(one.tenant, order_id))["counts"].get("done", 0) < ORDERED // 10:
                await asyncio.sleep(0.02)
        await one.postgres.name_moment("half-way")
        [[waiting]] = await one.opened.sql("SELECT count(*) FROM order_items WHERE outcome = 'waiting'")
        assert waiting > 0
        assert (await completed(one, order_id))["counts"] == {"done": ORDERED}
    finally:
        await one.opened.teli.switch(latency_ms={})
    return order_id


async def completed(one: Drill, order_id: str) -> dict[str, Any]:
    async with asyncio.timeout(RECOVERED_WITHIN):
        while (told := await order(one.tenant, order_id))["state"] in ("pending", "running"):
            await asyncio.sleep(0.1)
    return told


async def which(one: Drill, order_id: str) -> dict[int, str]:
    """The number of each item."""
    rows = await one.opened.sql("SELECT seq, phone_number FROM order_items WHERE order_id::text = $1", order_id)
    return dict(rows)


async def confirmed(opened: Stage) -> None:
    async with asyncio.timeout(30):
        while await opened.sql("SELECT FROM numbers WHERE confirmed_at IS NULL"):
            await asyncio.sleep(0.05)


async def told_again(drill: Drill, keys: dict[str, str]) -> Sequence[str]:
    """Keys that were answered otherwise than before the disaster."""
    wrong = []
    for key, number in keys.items():
        answer = await drill.ask(drill.whose[number], key)
        if answer.status_code != 200 or answer.json()["phone_number"] != number:
            wrong.append(f"{key}: {answer.text}")
    return wrong


async def test_what_was_bought_after_the_restore_point_is_found_and_its_keys_answer_it(
    teli_process: Simulator, record_property: Tell
):
    async with drill(teli_process) as one:
        # Filed after the backup, as is what it buys.
        late = await one.opened.stranger()
        await one.opened.services.administration.put_user(AUTHOR, one.opened.organization, late, {"name": "Late"})
        one.users.append(late)
        await one.buy_many(PURCHASES)
        sold = await one.sold()

        seconds = await one.disaster()

        numbers = await one.numbers()
        assert {
            number: (one.tenant.id, one.opened.organization, one.whose[number], "active") for number in one.whose
        } == numbers
        assert await told_again(one, one.before | one.keyed) == []
        assert await told_again(one, one.before | one.keyed) == []
        assert await one.sold() == sold
        await check(one.opened)
        assert await one.opened.sql("SELECT FROM orphans WHERE state = 'open'") == []
        await one.buy(one.opened.user, "never-used")
        record_property(
            "told",
            f"restore drill: {len(one.lost)} purchases after the restore point, all found with their user,"
            f" {len(one.keyed)} keys answered them, none bought again; purchases went on {seconds:.1f} s after the"
            f" database answered (upstream timeout {UNHURRIED['NUMBERGATE_UPSTREAM_TIMEOUT']} s)",
        )


async def test_an_order_that_was_half_bought_at_the_restore_point_buys_nothing_again(
    teli_process: Simulator, record_property: Tell
):
    async with drill(teli_process) as one:
        order_id = await half_bought(one)
        meant, sold = await which(one, order_id), await one.sold()

        await one.disaster("half-way")

        assert (await completed(one, order_id))["counts"] == {"done": ORDERED}
        assert await one.sold() == sold
        assert await which(one, order_id) == meant
        await check(one.opened)
        assert await one.opened.sql("SELECT phone_number FROM orphans WHERE state = 'open'") == []
        [quota] = await one.opened.sql(
            "SELECT q.used, q.reserved, q.ordered, to_jsonb(q) = to_jsonb(c) FROM quotas q, LATERAL counted(q) c"
            " WHERE q.tenant_id = $1 AND q.scope = 'tenant'",
            one.tenant.id,
        )
        assert quota == (ORDERED + len(one.before), 0, 0, True)
        record_property("told", f"restore drill of a half-bought order: {ORDERED} ordered, none bought again")


async def test_where_marks_are_dropped_all_are_orphans_and_nothing_is_bought_for_their_users_until_decided(
    teli_process: Simulator, record_property: Tell
):
    async with drill(teli_process) as one:
        await one.opened.teli.switch(nickname="dropped")
        try:
            await one.buy_many(PURCHASES)
            sold = await one.sold()

            await one.disaster()

            listed = await one.opened.sql("SELECT phone_number, user_id, reason, state FROM orphans")
            assert {number: rest for number, *rest in listed} == {
                number: [one.whose[number], "after_restore", "open"] for number in one.lost
            }
            for key, number in one.keyed.items():
                answer = await one.ask(one.whose[number], key)
                assert (answer.status_code, answer.json()["code"]) == (503, "purchases_stopped"), answer.text
            assert await one.sold() == sold
            assert await told_again(one, one.before) == []
            # For another user purchases go on; for these, once a person has decided.
            await one.buy(one.opened.nobody, "of-nobody")
            await one.opened.sql("UPDATE orphans SET state = 'ignored'")
            await one.buy(one.opened.user, "decided")
        finally:
            await one.opened.teli.switch(nickname="kept")
        record_property(
            "told",
            f"restore drill without marks: {len(one.lost)} purchases after the restore point, all orphans, nothing"
            " bought for their users until decided",
        )
