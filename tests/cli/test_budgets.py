"""Budgets and statements at a terminal, as finance needs them."""

import csv
from collections.abc import AsyncIterator
from io import StringIO

import pytest

from service.kit.clock import utc_now
from service.kit.money import months_later
from tests.http.serving import served
from tests.support.gateway import AUTHOR, Gateway

from .desk import Desk

pytestmark = pytest.mark.ci
MONTH = f"{utc_now():%Y-%m}"


@pytest.fixture
async def finance(gateway: Gateway) -> AsyncIterator[Desk]:
    issued = await gateway.services.administration.issue_staff_key(AUTHOR, "finance", "f")
    async with served(gateway) as port:
        yield Desk({"NUMBERGATE_URL": f"http://127.0.0.1:{port}", "NUMBERGATE_API_KEY": issued.key})


async def test_a_budget_is_filed_looked_at_changed_and_deleted(gateway: Gateway, finance: Desk):
    tenant = await gateway.tenant()
    await tenant.bought(cost_center="north")
    filed = await finance.done("billing", "budgets", "add", "1.25", "--tenant", tenant.id, "--name", "dialling")
    budget = filed.rstrip(".\n").rpartition(" ")[2]
    await gateway.worker.billing.budget_watch.look()

    listed = await finance.done("billing", "budgets", "list")
    [line] = [one for one in listed.splitlines() if one.startswith(budget)]
    for shown in ("dialling", tenant.id, "1.25 USD", "1.00 USD", "80 %"):
        assert shown in line
    assert "2.50 USD a month" in await finance.done("billing", "budgets", "set", budget, "2.50")
    for given, told in (
        (("add", "1,25", "--tenant", tenant.id), "AMOUNT: must be an amount"),
        (("add", "0", "--tenant", tenant.id), "AMOUNT: "),
        (("add", "1", "--tenant", "nobody"), "--tenant: is of nobody"),
        (("set", budget, "x"), "AMOUNT: must be an amount"),
    ):
        refused = await finance.run("billing", "budgets", *given)
        assert refused.returncode != 0
        assert told in refused.stderr
    await finance.done("billing", "budgets", "delete", budget, "--yes")
    assert "There is no budget yet." in await finance.done("billing", "budgets", "list")


async def test_a_statement_is_written_to_stdout_in_every_form_and_looks_ahead(gateway: Gateway, finance: Desk):
    tenant = await gateway.tenant()
    await tenant.bought(cost_center="north")
    running = await finance.done("billing", "statement", MONTH, "--by", "cost_center")
    assert "to its end, if nothing changes" in running
    assert "so far" in running
    assert await finance.done("billing", "statement", "--by", "cost_center") == running
    ahead = await finance.done("billing", "statement", f"{months_later(utc_now(), 1):%Y-%m}")
    assert "forecast: if nothing changes" in ahead
    focus = await finance.done("billing", "statement", MONTH, "--format", "focus", "--tenant", tenant.id)
    assert [one["BilledCost"] for one in csv.DictReader(StringIO(focus))] == ["1"]
    page = await finance.done("billing", "statement", MONTH, "--format", "html")
    assert page.startswith("<!doctype html>")
    assert "north" in page
