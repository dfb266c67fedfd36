"""`numbergate stop`, `resume` and `stops`, as an operator runs them."""

import json

from tests.http.refusals import problem
from tests.support.gateway import Gateway, Tenant

from .desk import Desk


async def test_purchases_are_stopped_seen_to_be_stopped_and_resumed(gateway: Gateway, tenant: Tenant, desk: Desk):
    told = await desk.done("stop", "--reason", "the invoice does not add up")
    assert told.startswith("Purchases are stopped everywhere, since 20")
    assert "the invoice does not add up" in told
    problem(await tenant.buy(), 503, "purchases_stopped")

    assert "Stopped everywhere since 20" in await desk.done("stops")
    [listed] = json.loads(await desk.done("stops", "--json"))["items"]
    assert (listed["scope"], listed["reason"]) == ("global", "the invoice does not add up")

    assert await desk.done("resume", "--reason", "explained") == "Purchases go on everywhere.\n"
    assert await desk.done("stops") == "Nothing is stopped.\n"
    await tenant.bought()


async def test_a_resume_tells_what_is_stopped_still(gateway: Gateway, tenant: Tenant, desk: Desk):
    await desk.done("stop", "--reason", "a test")
    await desk.done("stop", "--tenant", tenant.id, "--reason", "a leak")

    told = await desk.done("resume", "--reason", "over")

    assert told.startswith("That stop is taken away everywhere.\n")
    assert f"Stopped for tenant {tenant.id} since" in told and "a leak" in told


async def test_a_tenant_that_is_not_there_is_named_on_stderr(gateway: Gateway, desk: Desk):
    ended = await desk.run("stop", "--tenant", "nobody", "--reason", "a test")
    assert (ended.returncode, ended.stderr) == (1, "numbergate: --tenant: there is no such tenant\n")

    ended = await desk.run("stop", "--tenant", "one", "--account", "two", "--reason", "a test")
    assert ended.returncode == 2
    assert "stop one, then the other" in ended.stderr
