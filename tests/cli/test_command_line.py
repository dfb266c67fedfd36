"""What holds for every command: profiles, JSON, exit codes, questions, pipes, and what becomes of Ctrl-C."""

import asyncio
import json
import os
import re
import signal
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator
from inspect import signature
from pathlib import Path

import pytest
import typer

from service.cli.main import cli
from tests.http.serving import served
from tests.orders.desk import buy, stocked_here
from tests.support.gateway import AUTHOR, USER, Gateway, Tenant

from .command import COMMAND, environment, numbergate
from .desk import Desk
from .pages import PAGES

pytestmark = pytest.mark.ci
# Those that have no --json, and why.
NO_JSON = {
    **dict.fromkeys(("serve", "worker", "migrate", "simulator"), "processes; they log"),
    "recover": "tells in a line what it wrote down; the exit code says it",
    **dict.fromkeys(("keys create-admin", "keys create-operator", "keys create-finance"), "print the key alone"),
    **dict.fromkeys(
        ("numbers export", "audit export", "billing export", "billing disputes export", "billing invoices lines"),
        "write what has a format of its own",
    ),
    "billing profiles show": "prints nothing but JSON",
    **dict.fromkeys(
        (
            "billing invoices discard", "webhooks delete", "filters delete", "billing profiles put",
            "billing budgets delete", "billing disputes note", "billing disputes attach",
            "profiles add", "profiles use", "profiles remove",
        ),
        "have nothing to tell; the exit code says it",
    ),
}  # fmt: skip


def commands(group: typer.Typer = cli, name: str = "") -> Iterator[tuple[str, set[str]]]:
    """Every command with its options' names in the code."""
    for one in group.registered_commands:
        assert one.callback is not None
        told = one.name or one.callback.__name__.replace("_", "-")
        yield f"{name}{told}", set(signature(one.callback).parameters)
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from commands(inner.typer_instance, f"{name}{inner.name} ")


EVERY = dict(commands())
ID = "0190a1c2-0000-7000-8000-000000000001"


@pytest.fixture
async def address(gateway: Gateway) -> AsyncIterator[str]:
    async with served(gateway) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def mine(address: str, tenant: Tenant) -> Desk:
    """The terminal of somebody who has a tenant's key."""
    return Desk({"NUMBERGATE_URL": address, "NUMBERGATE_API_KEY": tenant.key})


# -- What every command has --------------------------------------------------------------------------------------------


def test_every_command_prints_json_save_those_that_have_nothing_to_say_in_it():
    assert len(EVERY) > 100
    assert {name for name, options in EVERY.items() if "json" not in options} == NO_JSON.keys()


def test_whatever_asks_can_be_told_not_to_and_can_be_tried():
    asks = {name for name, options in EVERY.items() if "yes" in options}
    assert len(asks) > 10
    assert {name for name, options in EVERY.items() if "dry_run" in options} == asks
    page = PAGES["docs/cli.md"]
    assert {name for name in asks if f"`{name}`" not in page} == set(), "each is named on the page"


READING = {
    "analytics", "deliveries", "export", "findings", "follow", "history", "idle", "lines", "list", "preview", "rejects",
    "rows", "show", "statement", "stops", "verify",
}  # fmt: skip
UNASKED = {
    name: why
    for names, why in (
        (("serve", "worker", "simulator", "migrate", "up", "demo", "doctor", "recover"), "are processes"),
        (("stop", "resume", "tenants suspend", "tenants activate", "profiles use"), "are undone by another"),
        (
            (
                "accounts add", "billing budgets add", "billing disputes open", "billing disputes note",
                "billing disputes attach", "billing invoices import", "filters save", "keys create",
                "keys create-admin", "keys create-finance", "keys create-operator", "profiles add", "webhooks create",
            ),
            "add what can be taken away again",
        ),
        (
            (
                "billing budgets set", "billing profiles put", "billing rule put", "numbers set", "organizations put",
                "policies put", "quotas put", "tenants put", "users put", "webhooks update",
            ),
            "say what shall be, and may say it otherwise later",
        ),
        (("billing disputes move", "billing invoices resolve", "drift resolve"), "are a decision that the words name"),
        (
            (
                "accounts reencrypt", "billing match", "organizations sync", "users sync", "webhooks redeliver",
                "webhooks test",
            ),
            "may be done again and again",
        ),
        (
            ("imports cancel", "orders cancel", "numbers restore", "sessions end", "profiles remove"),
            "stop what would be done or cost, or bring back",
        ),
    )
    for name in names
}  # fmt: skip


def test_whatever_changes_something_asks_or_there_is_a_reason_why_not():
    changing = {name for name in EVERY if name.split()[-1] not in READING}
    assert {name for name in changing if "yes" not in EVERY[name]} == UNASKED.keys()


@pytest.mark.parametrize(
    ("command", "asked"),
    [
        (("billing", "prices", "add", "2027-01-01", "2.99"), "File 2.99 USD a month from 2027-01-01 on?"),
        (("keys", "rotate", ID, "--overlap", "0"), f"Replace key {ID}? It works on for 0 seconds"),
        (("webhooks", "rotate", ID), "Replace its secret? The old one signs too for 86400 seconds more."),
    ],
)
async def test_what_is_never_changed_again_is_asked_before_anything_is_sent(
    mine: Desk, gateway: Gateway, command: tuple[str, ...], asked: str
):
    tried = await mine.run(*command, "--dry-run")
    refused = await mine.answering("n\n", *command)
    alone = await mine.run(*command)

    assert (tried.returncode, refused.returncode, alone.returncode) == (0, 1, 2)
    assert all(asked in ended.stderr for ended in (tried, refused, alone)), tried.stderr
    assert "nothing was" in refused.stderr


LISTS = {
    "admin": ("organizations", "tenants", "keys", "policies", "sessions", "accounts", "audit", "imports"),
    "operator": ("doubts", "orphans", "ghosts"),
    "tenant": ("numbers", "filters", "agents", "drift", "orders", "webhooks"),
    "finance": ("billing prices", "billing budgets", "billing disputes", "billing invoices"),
}


async def test_a_list_as_json_is_its_items_as_the_api_has_them_and_whether_they_are_all(
    gateway: Gateway, address: str, tenant: Tenant
):
    finance = (await gateway.services.administration.issue_staff_key(AUTHOR, "finance", "f")).key
    keys = {"admin": gateway.admin.key, "operator": gateway.operator.key, "tenant": tenant.key, "finance": finance}
    await tenant.bought()

    for who, groups in LISTS.items():
        desk = Desk({"NUMBERGATE_URL": address, "NUMBERGATE_API_KEY": keys[who]})
        for group in groups:
            told = json.loads(await desk.done(*group.split(), "list", "--json"))
            assert told.keys() == {"items", "complete"}, group
    [number] = json.loads(
        await Desk({"NUMBERGATE_URL": address, "NUMBERGATE_API_KEY": tenant.key}).done("numbers", "list", "--json")
    )["items"]
    assert number == (await tenant.get("/v1/numbers")).json()["items"][0]


# -- Profiles ----------------------------------------------------------------------------------------------------------


async def test_a_profile_is_a_gateway_and_its_key_and_one_is_the_default(address: str, tenant: Tenant, tmp_path: Path):
    here = Desk({"XDG_CONFIG_HOME": str(tmp_path)})
    added = await here.piped(tenant.key + "\n", "profiles", "add", "test", "--url", address)
    assert (added.returncode, added.stdout) == (0, f"test is {address}, and the default.\n"), added.stderr
    await here.piped(tenant.key + "\n", "profiles", "add", "nowhere", "--url", "http://127.0.0.1:9")

    file = tmp_path / "numbergate" / "profiles.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    listed = json.loads(await here.done("profiles", "list", "--json"))["items"]
    assert [(one["name"], one["default"]) for one in listed] == [("nowhere", False), ("test", True)]
    assert tenant.key not in json.dumps(listed)

    assert await here.done("numbers", "list") == "No numbers.\n"
    away = await here.run("--profile", "nowhere", "numbers", "list")
    assert (away.returncode, "127.0.0.1:9 does not answer" in away.stderr) == (1, True)
    assert await here.done("--profile", "test", "numbers", "list") == "No numbers.\n"
    await here.done("profiles", "use", "nowhere")
    assert (await here.run("numbers", "list")).returncode == 1
    assert (await here.run("numbers", "list", NUMBERGATE_PROFILE="test")).returncode == 0
    await here.done("profiles", "remove", "nowhere")
    none = await here.run("numbers", "list")
    assert (none.returncode, "NUMBERGATE_API_KEY" in none.stderr) == (2, True)


async def test_an_unknown_profile_is_told_beside_those_there_are(address: str, tenant: Tenant, tmp_path: Path):
    here = Desk({"XDG_CONFIG_HOME": str(tmp_path)})
    ended = await here.run("--profile", "prod", "numbers", "list")
    assert (ended.returncode, ended.stderr) == (
        2,
        "numbergate: --profile: prod is no profile; there is none yet: `profiles add`\n",
    )
    await here.piped(tenant.key, "profiles", "add", "test", "--url", address)
    ended = await here.run("--profile", "prod", "numbers", "list")
    assert "prod is no profile; there are test" in ended.stderr


async def test_a_profiles_key_goes_to_no_other_gateway_and_is_for_its_owner_alone(tenant: Tenant, tmp_path: Path):
    here = Desk({"XDG_CONFIG_HOME": str(tmp_path)})
    plain = await here.piped(tenant.key, "profiles", "add", "far", "--url", "http://numbergate.example.com")
    assert (plain.returncode, "--url: must be https outside loopback" in plain.stderr) == (2, True)
    await here.piped(tenant.key, "profiles", "add", "far", "--url", "https://numbergate.example.com")
    for words in (("--profile", "far", "numbers", "list", "--url", "http://127.0.0.1:9"),):
        ended = await here.run(*words)
        assert (ended.returncode, "another gateway's" in ended.stderr) == (2, True)
    ended = await here.run("numbers", "list", "--url", "http://127.0.0.1:9")
    assert (ended.returncode, "NUMBERGATE_API_KEY" in ended.stderr) == (2, True), "the default is not taken either"

    (tmp_path / "numbergate" / "profiles.json").chmod(0o644)
    ended = await here.run("--profile", "far", "numbers", "list")
    assert (ended.returncode, "chmod 600" in ended.stderr) == (2, True)


# -- Without a server, a good key, a terminal --------------------------------------------------------------------------


async def test_exit_codes_are_those_of_the_page(mine: Desk, gateway: Gateway, tenant: Tenant):
    told = dict(re.findall(r"^\| (\d+) \| (.+) \|$", PAGES["docs/cli.md"], re.MULTILINE))
    assert set(told) == {"0", "1", "2", "130", "141"}

    expired = await gateway.key_of(tenant)
    await gateway.sql("UPDATE api_keys SET expires_at = now() - interval '1 hour' WHERE name = 'further'")

    for settings, code, why in (
        ({}, 0, ""),
        ({"NUMBERGATE_URL": "http://127.0.0.1:9"}, 1, "http://127.0.0.1:9 does not answer"),
        ({"NUMBERGATE_API_KEY": "mistyped"}, 1, "key"),
        ({"NUMBERGATE_API_KEY": expired.key}, 1, "expired"),
        ({"NUMBERGATE_URL": "ftp://x"}, 2, "NUMBERGATE_URL"),
    ):
        ended = await mine.run("numbers", "list", **settings)
        assert (ended.returncode, why in ended.stderr) == (code, True), (settings, ended.stderr)
        assert "Traceback" not in ended.stderr


async def test_without_a_terminal_nothing_is_asked_coloured_or_done(mine: Desk, tenant: Tenant):
    number = await tenant.bought()

    ended = await mine.piped("y\n", "numbers", "release", number["id"])

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "There is no terminal to ask at, so nothing was done: --yes means it." in ended.stderr
    assert "\x1b" not in ended.stderr
    assert (await tenant.get(f"/v1/numbers/{number['id']}")).json()["state"] == "active"


async def test_a_dry_run_shows_what_would_be_done_and_does_nothing(mine: Desk, tenant: Tenant):
    number = await tenant.bought()

    for words in ((), ("--yes",)):
        ended = await mine.run("numbers", "release", number["id"], "--now", "--dry-run", *words)
        assert (ended.returncode, ended.stdout) == (0, "")
        assert f"{number['phone_number']} is given back to Teli now" in ended.stderr
        assert "Nothing was done, for --dry-run." in ended.stderr
    assert (await tenant.get(f"/v1/numbers/{number['id']}")).json()["state"] == "active"


# -- Pipes -------------------------------------------------------------------------------------------------------------


async def test_ids_come_from_a_pipe(mine: Desk, gateway: Gateway, tenant: Tenant):
    numbers = await stocked_here(gateway, tenant, 2)
    listed = json.loads(await mine.done("numbers", "list", "--json"))["items"]
    for lines in ([one["id"] for one in listed], numbers):
        ended = await mine.piped("\n".join(lines) + "\n", "numbers", "bulk", "release", "-", "--dry-run")
        assert (ended.returncode, "2 numbers of 2 would be changed." in ended.stdout) == (0, True), ended.stderr
    ended = await mine.piped("", "numbers", "bulk", "release", "-", "--yes")
    assert (ended.returncode, "nothing came on stdin" in ended.stderr) == (2, True)


async def test_whoever_reads_may_have_enough_of_it(mine: Desk, tenant: Tenant):
    await tenant.bought()
    for words in (("numbers", "list"), ("numbers", "list", "--json"), ("numbers", "export")):
        ours, theirs = os.pipe()
        os.close(ours)
        process = await asyncio.create_subprocess_exec(
            *COMMAND, *words, env=environment(mine.settings), stdout=theirs, stderr=asyncio.subprocess.PIPE
        )
        os.close(theirs)
        _, stderr = await process.communicate()
        assert (process.returncode, stderr.decode()) == (141, ""), words


def test_words_are_completed():
    shells = {"_NUMBERGATE_COMPLETE": "complete_bash", "COMP_WORDS": "numbergate numb", "COMP_CWORD": "1"}
    assert numbergate(**shells).stdout.split() == ["numbers"]


# -- Ctrl-C ------------------------------------------------------------------------------------------------------------


async def test_an_order_that_is_broken_off_goes_on_and_it_is_said_how_to_follow_it(
    mine: Desk, gateway: Gateway, tenant: Tenant
):
    process = subprocess.Popen(
        [*COMMAND, "orders", "create", "2", "--area-code", "313", "--user", USER, "--yes"],
        env=environment(mine.settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not await gateway.sql("SELECT id FROM orders"):
        await asyncio.sleep(0.05)
    await asyncio.sleep(1.0)  # It has its answer by then, and watches; on a slow machine it may not.
    process.send_signal(signal.SIGINT)
    _, stderr = await asyncio.to_thread(process.communicate)

    assert process.returncode == 130
    assert "Traceback" not in stderr
    [(order, key)] = re.findall(r"`numbergate orders show (\S+)`|with --idempotency-key (\S+) tells", stderr)
    [[found]] = await gateway.sql("SELECT CAST(id AS text) FROM orders")
    assert key or order == found
    while "is completed: 2 done." not in await mine.done("orders", "show", found):
        await buy(gateway)


async def test_an_order_of_which_no_answer_came_is_the_same_by_the_key_that_is_told(
    mine: Desk, gateway: Gateway, tenant: Tenant
):
    words = ("orders", "create", "1", "--area-code", "313", "--user", USER, "--yes")
    ended = await mine.run(*words, NUMBERGATE_URL="http://127.0.0.1:9")

    assert ended.returncode == 1
    [key] = re.findall(r"The same command with --idempotency-key (\S+) tells, and orders once", ended.stderr)
    both = [asyncio.create_task(mine.run(*words, "--idempotency-key", key)) for _ in range(2)]
    while not all(one.done() for one in both):
        await buy(gateway)
        await asyncio.sleep(0.1)
    assert [one.result().returncode for one in both] == [0, 0]
    assert len(await gateway.sql("SELECT id FROM orders")) == 1
