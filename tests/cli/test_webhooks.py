"""`numbergate webhooks`, run as a person runs it, against a gateway that serves and somebody who is told."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.conftest import OpenGateway
from tests.http.serving import served
from tests.support.gateway import Gateway, Tenant
from tests.webhooks.conftest import LOOPBACK
from tests.webhooks.desk import a_number, deliver, happen, hurry
from tests.webhooks.receiver import Receiver, receiver

from .desk import Desk, Ended

pytestmark = pytest.mark.ci


@pytest.fixture
async def gateway(open_gateway: OpenGateway) -> AsyncIterator[Gateway]:
    async with open_gateway(webhook_networks=LOOPBACK) as opened:
        yield opened


@pytest.fixture
async def tenant(gateway: Gateway) -> Tenant:
    return await gateway.tenant()


@pytest.fixture
async def hooks() -> AsyncIterator[Receiver]:
    async with receiver() as opened:
        yield opened


@pytest.fixture
async def mine(gateway: Gateway, tenant: Tenant) -> AsyncIterator[Desk]:
    async with served(gateway) as port:
        yield Desk({"NUMBERGATE_URL": f"http://127.0.0.1:{port}", "NUMBERGATE_API_KEY": tenant.key})


async def shown_once(mine: Desk, *arguments: str) -> tuple[str, str]:
    """An endpoint's id and its secret, as they are shown."""
    ended = await mine.run("webhooks", *arguments)
    assert ended.returncode == 0, ended.stderr
    assert "shown this once" in ended.stderr
    endpoint, secret = (line.split()[1] for line in ended.stdout.splitlines())
    return endpoint, secret


def refused(ended: Ended) -> str:
    assert ended.returncode != 0, ended.stdout
    assert "Traceback" not in ended.stderr
    return " ".join(ended.stderr.replace("│", " ").split())


async def test_an_endpoint_is_made_tested_told_and_deleted(
    mine: Desk, gateway: Gateway, tenant: Tenant, hooks: Receiver
):
    assert await mine.done("webhooks", "list") == "No webhook endpoints.\n"
    create = ("create", hooks.url(), "--type", "number.*", "--type", "order.completed", "--description", "Sales")
    endpoint, secret = await shown_once(mine, *create)
    listed = await mine.done("webhooks", "list", columns=200)
    assert all(word in listed for word in (endpoint, hooks.url(), "number.*, order.completed", "active", "Sales"))
    assert secret not in listed + await mine.done("webhooks", "list", "--json")

    assert (await mine.done("webhooks", "test", endpoint)).startswith("It was taken in, after ")
    [told] = hooks.told["hook"]
    told.check(secret)
    hooks.answers["hook"] = lambda _: 500
    ended = await mine.run("webhooks", "test", endpoint)
    assert (ended.returncode, "It was not taken in: answered 500" in ended.stdout) == (1, True)
    assert await mine.done("webhooks", "deliveries", endpoint) == "No deliveries.\n"

    await happen(gateway, tenant, a_number())
    await deliver(gateway)
    assert "answered 500" in await mine.done("webhooks", "deliveries", endpoint, "--state", "waiting", columns=200)
    assert await mine.done("webhooks", "deliveries", endpoint, "--state", "delivered") == "No deliveries.\n"

    kept = await mine.answering("n\n", "webhooks", "delete", endpoint)
    assert (kept.returncode, f"Send nothing more to {hooks.url()}?" in kept.stderr) == (1, True)
    assert "Nothing was changed." in kept.stderr
    assert await mine.done("webhooks", "delete", endpoint, "--yes") == "It is sent nothing more.\n"
    assert "no such webhook endpoint" in refused(await mine.run("webhooks", "delete", endpoint, "--yes"))


async def test_what_was_delivered_is_sent_again_one_or_all(
    mine: Desk, gateway: Gateway, tenant: Tenant, hooks: Receiver
):
    endpoint, _ = await shown_once(mine, "create", hooks.url())
    await happen(gateway, tenant, a_number(), a_number())
    await deliver(gateway)
    [_, oldest] = json.loads(await mine.done("webhooks", "deliveries", endpoint, "--json"))["items"]
    again = ("webhooks", "redeliver", endpoint)

    assert await mine.done(*again, "--delivery", oldest["id"]) == "1 event will be sent again.\n"
    await hurry(gateway)
    assert sorted(hooks.sequences()) == [1, 1, 2]
    assert await mine.done(*again, "--since", "2026-01-01T00:00:00Z") == "2 events will be sent again.\n"
    await hurry(gateway)
    assert sorted(hooks.sequences()) == [1, 1, 1, 2, 2]

    assert "give one of --delivery and --since" in refused(await mine.run(*again))
    assert "--since: " in refused(await mine.run(*again, "--since", "yesterday"))
    assert "must be an id" in refused(await mine.run(*again, "--delivery", "first"))


async def test_of_more_than_are_counted_it_is_said_that_there_are_more(
    mine: Desk, gateway: Gateway, tenant: Tenant, hooks: Receiver, monkeypatch: pytest.MonkeyPatch
):
    for module in ("repository", "webhooks"):
        monkeypatch.setattr(f"service.webhooks.{module}.COUNTED", 2)
    endpoint, _ = await shown_once(mine, "create", hooks.url())
    await happen(gateway, tenant, *(a_number() for _ in range(4)))
    await deliver(gateway)

    told = await mine.done("webhooks", "redeliver", endpoint, "--since", "2026-01-01T00:00:00Z")
    assert told == "More than 2 events will be sent again.\n"


async def test_a_secret_is_rotated_and_both_sign_until_the_overlap_is_over(
    mine: Desk, gateway: Gateway, tenant: Tenant, hooks: Receiver
):
    endpoint, before = await shown_once(mine, "create", hooks.url())
    same, after = await shown_once(mine, "rotate", endpoint, "--overlap", "3600", "--yes")
    assert (same, after != before) == (endpoint, True)
    await happen(gateway, tenant, a_number())
    await deliver(gateway)
    for secret in (before, after):
        hooks.told["hook"][0].check(secret)
    assert "overlap_seconds 0" in refused(await mine.run("webhooks", "rotate", endpoint, "--yes"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("https://169.254.169.254/latest",), "URL: leads to an address that is not of the Internet"),
        (("https://10.0.0.1/",), "URL: leads to an address that is not of the Internet"),
        (("http://8.8.8.8/",), "URL: must be https"),
        (("hooks.example.com",), "URL: must look like https://host/path"),
        (("https://8.8.8.8/", "--type", "number.invented"), "--type: 'number.invented' is no event"),
    ],
)
async def test_what_cannot_be_sent_to_is_refused_by_the_name_of_what_was_given(
    mine: Desk, arguments: tuple[str, ...], told: str
):
    assert told in refused(await mine.run("webhooks", "create", *arguments))
