"""`numbergate imports`, run as a person runs it, against a gateway that serves."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.test_orders import worked
from tests.http.serving import served
from tests.imports.desk import bought_before
from tests.support.gateway import Gateway, Tenant

from .desk import Desk

pytestmark = pytest.mark.ci


@pytest.fixture
async def admins(gateway: Gateway) -> AsyncIterator[Desk]:
    """The terminal of an administrator."""
    async with served(gateway) as port:
        yield Desk({"NUMBERGATE_URL": f"http://127.0.0.1:{port}", "NUMBERGATE_API_KEY": gateway.admin.key})


async def test_what_was_there_before_is_shown_asked_for_and_watched(admins: Desk, gateway: Gateway, tenant: Tenant):
    assert await admins.done("imports", "list") == "No imports.\n"
    numbers = await bought_before(gateway, 2)
    prices = ("--monthly-price", "2.50", "--currency", "EUR")
    shown = await admins.done("imports", "preview", "--tenant", tenant.id, "--since", "2025-03-01", *prices)
    assert all(number in shown for number in numbers)
    assert "2 numbers of 2 would be adopted." in shown
    assert "2 numbers at 5.00 EUR a month" in shown
    import_id = shown.split()[-1]

    refused = await admins.answering("n\n", "imports", "apply", import_id)
    assert (refused.returncode, "Adopt 2 numbers? [y/N]" in refused.stderr) == (1, True)
    assert await gateway.sql("SELECT 1 FROM numbers") == []

    command = asyncio.create_task(admins.answering("y\n", "imports", "apply", import_id))
    ended = await worked(gateway, command)
    assert (ended.returncode, "is completed: 2 done." in ended.stdout) == (0, True), ended.stderr
    assert import_id in await admins.done("imports", "list")
    assert "is completed: 2 done." in await admins.done("imports", "show", import_id)
    late = await admins.run("imports", "cancel", import_id)
    assert (late.returncode, "nothing left to cancel" in late.stderr) == (1, True)


async def test_a_file_tells_every_row_that_is_left_alone(
    admins: Desk, gateway: Gateway, tenant: Tenant, tmp_path: Path
):
    [number] = await bought_before(gateway)
    file = tmp_path / "numbers.csv"
    file.write_text(f"phone_number,acquired_at\n{number},\n+12125550100,\n+12125550101,tomorrow\n", encoding="utf-16")
    ended = await admins.run("imports", "preview", str(file), "--tenant", tenant.id, "--tag", "a", "--tag", "b")
    assert ended.returncode == 0, ended.stderr
    assert "No complete listing" in ended.stdout
    assert "acquired_at: " in ended.stdout
    told = json.loads((await admins.run("imports", "preview", str(file), "--tenant", tenant.id, "--json")).stdout)
    assert [one["line"] for one in told["not_done"]] == [3, 4]
    assert told["same_as"] is not None
    assert "is cancelled" in await admins.done("imports", "cancel", told["import_id"])


async def test_what_cannot_be_read_is_told(admins: Desk, tmp_path: Path):
    file = tmp_path / "numbers.csv"
    file.write_text("phone_number,color\n1,red\n")
    ended = await admins.run("imports", "preview", str(file))
    assert (ended.returncode, "'color', which is not known" in ended.stderr) == (1, True)
    ended = await admins.run("imports", "preview", str(file), "--currency", "usd")
    assert "--currency" in ended.stderr


async def test_an_empty_file_and_a_price_with_a_comma_are_told_the_mend(admins: Desk, tenant: Tenant, tmp_path: Path):
    file = tmp_path / "numbers.csv"
    file.write_bytes(b"")
    refused = await admins.run("imports", "preview", str(file), "--tenant", tenant.id)
    assert (refused.returncode, "is empty; its first line names the columns" in refused.stderr) == (1, True)
    file.write_text('phone_number,monthly_price,currency\n+13135550142,"2,99",USD\n')
    shown = (await admins.run("imports", "preview", str(file), "--tenant", tenant.id)).stdout
    assert "monthly_price: must be a number, as 2.99" in shown
