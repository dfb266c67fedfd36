"""`numbergate numbers bulk` and `orders`, run as a person runs them, against a gateway that serves."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.http.serving import served
from tests.orders.desk import buy, deletes, stocked_here, work
from tests.support.gateway import USER, Gateway, Tenant

from .desk import Desk, Ended

pytestmark = pytest.mark.ci


@pytest.fixture
async def mine(gateway: Gateway, tenant: Tenant) -> AsyncIterator[Desk]:
    """The terminal of somebody who has a tenant's key."""
    async with served(gateway) as port:
        yield Desk({"NUMBERGATE_URL": f"http://127.0.0.1:{port}", "NUMBERGATE_API_KEY": tenant.key})


async def worked(gateway: Gateway, command: "asyncio.Task[Ended]") -> Ended:
    """What becomes of a command that waits for the worker."""
    while not command.done():
        await work(gateway)
        await asyncio.sleep(0.1)
    return command.result()


async def test_a_bulk_release_is_shown_asked_for_and_watched(mine: Desk, gateway: Gateway, tenant: Tenant):
    numbers = await stocked_here(gateway, tenant, 3)
    shown = await mine.done("numbers", "bulk", "release", *numbers, "--dry-run")
    assert all(number in shown for number in numbers)
    assert "3 numbers of 3 would be changed." in shown
    assert "A month costs 3.00 USD less" in shown

    refused = await mine.answering("n\n", "numbers", "bulk", "release", "--user", USER)
    assert (refused.returncode, "Release 3 numbers, for good? [y/N]" in refused.stderr) == (1, True)
    assert "Nothing was changed." in refused.stderr
    assert await deletes(gateway) == []

    command = asyncio.create_task(mine.answering("y\n", "numbers", "bulk", "release", "--user", USER))
    ended = await worked(gateway, command)
    assert ended.returncode == 0, ended.stderr
    assert "is completed: 3 done." in ended.stdout
    assert sorted(await deletes(gateway)) == sorted(numbers)


async def test_orders_are_listed_shown_and_cancelled(mine: Desk, gateway: Gateway, tenant: Tenant):
    assert await mine.done("orders", "list") == "No orders.\n"
    [number] = await stocked_here(gateway, tenant, 1)
    command = asyncio.create_task(
        mine.run("numbers", "bulk", "set", number, "--nickname", "Sales", "--add-tag", "a", "--yes", "--json")
    )
    told = json.loads((await worked(gateway, command)).stdout)
    assert (told["state"], told["counts"]) == ("completed", {"done": 1})

    assert told["order_id"] in await mine.done("orders", "list")
    assert "is completed: 1 done." in await mine.done("orders", "show", told["order_id"])
    refused = await mine.run("orders", "cancel", told["order_id"])
    assert refused.returncode == 1
    assert "nothing left to cancel" in refused.stderr


async def test_numbers_are_ordered_after_what_it_comes_to_was_shown(mine: Desk, gateway: Gateway, tenant: Tenant):
    create = ("orders", "create", "3", "--area-code", "313", "--user", USER, "--nickname", "Desk {n}")
    shown = await mine.done(*create, "--dry-run")
    assert "3 numbers in 313, as far as Teli has some: 3.00 USD at once" in shown
    assert "Called Desk 1, Desk 2, Desk 3." in shown
    assert "Nothing was ordered." in (await mine.answering("n\n", *create)).stderr
    assert await gateway.sql("SELECT id FROM orders") == []

    command = asyncio.create_task(mine.answering("y\n", *create))
    while not command.done():
        await buy(gateway)
        await asyncio.sleep(0.1)
    assert command.result().returncode == 0, command.result().stderr
    assert "is completed: 3 done." in command.result().stdout
    assert len(await gateway.teli.purchases()) == 3

    wrong = await mine.run("orders", "create", "3", "--area-code", "313", "--user", USER, "--nickname", "{x}", "--yes")
    assert (wrong.returncode, "--nickname: has an unknown placeholder {x}" in wrong.stderr) == (1, True)


async def test_what_cannot_be_meant_is_told_by_the_option(mine: Desk):
    ended = await mine.run("numbers", "bulk", "set", "--nickname", "x" * 200, "--user", "u")
    assert ended.returncode == 1
    assert "--nickname" in ended.stderr
    ended = await mine.run("numbers", "bulk", "release")
    assert "needs a filter" in ended.stderr
