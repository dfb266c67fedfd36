"""`numbergate doubts`, `orphans` and `ghosts`, run as an operator runs them, against a gateway that serves."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from tests.conftest import OpenGateway
from tests.http.serving import served
from tests.reconciliation.test_resolver import doubt, look_again, until_unresolved
from tests.support.gateway import NUMBERS, ORGANIZATION, USER, Gateway, Tenant

from .command import COMMAND, environment, numbergate

LISTS = ("doubts", "orphans", "ghosts")
Ended = subprocess.CompletedProcess[str]


@dataclass
class Desk:
    """An operator's terminal, `columns` wide."""

    settings: dict[str, str]

    async def run(self, *arguments: str, columns: int = 120, **settings: str) -> Ended:
        # In a thread: the gateway serves from this process.
        return await asyncio.to_thread(numbergate, *arguments, **{**self.settings, "COLUMNS": str(columns), **settings})

    async def done(self, *arguments: str, **kwargs: int) -> str:
        ended = await self.run(*arguments, **kwargs)
        assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr + ended.stdout
        return ended.stdout

    async def answering(self, said: str, *arguments: str) -> Ended:
        """What becomes of a command whose question is answered so."""
        return await asyncio.to_thread(
            subprocess.run,
            [*COMMAND, *arguments],
            env=environment(self.settings),
            input=said,
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture
async def desk(gateway: Gateway) -> AsyncIterator[Desk]:
    async with served(gateway) as port:
        yield Desk({"NUMBERGATE_URL": f"http://127.0.0.1:{port}", "NUMBERGATE_API_KEY": gateway.operator.key})


async def stranger(gateway: Gateway, nickname: str | None = "Reception") -> dict[str, str]:
    """A number bought in the dashboard, found by a look: an orphan."""
    await gateway.teli.dashboard_buy("415", ORGANIZATION, USER, nickname)
    await look_again(gateway)
    items = (await gateway.operator.get("/v1/admin/orphans")).json()["items"]
    found: dict[str, str] = items[-1]
    return found


async def ghost(gateway: Gateway, tenant: Tenant) -> str:
    """A number whose row is gone from three complete listings, and the oldest of those long ago; its id."""
    held = await tenant.bought(nickname="Front desk")
    await gateway.follow_up()
    await look_again(gateway)
    await gateway.teli.dashboard_release(held["phone_number"])
    await look_again(gateway)
    await gateway.sql("UPDATE upstream_rows SET gone_at = gone_at - interval '1 day' WHERE gone_at IS NOT NULL")
    await gateway.sql("UPDATE listings SET began_at = began_at - interval '1 day'")
    for _ in range(3):
        await look_again(gateway)
    return str(held["id"])


async def test_empty_lists_say_so(desk: Desk):
    for kind in LISTS:
        assert await desk.done(kind, "list") == f"No {kind}.\n"
        assert json.loads(await desk.done(kind, "list", "--json")) == {"items": [], "complete": True}


async def test_a_doubt_is_listed_shown_in_plain_words_and_decided(desk: Desk, gateway: Gateway, tenant: Tenant):
    await gateway.teli.switch(nickname="dropped")
    operation = await doubt(gateway, tenant, step="answering")
    await look_again(gateway)

    listed = await desk.done("doubts", "list")
    assert operation in listed
    assert "connection broke" in listed
    shown = await desk.done("doubts", "show", operation)
    for words in (
        f"Doubt {operation}, doubtful",
        "A number in area code 313 was to be bought",
        f"tenant     {tenant.id}",
        "the connection broke",
        "Rows at Teli that it may have bought",
    ):
        assert words in shown
    [command] = [line.strip() for line in shown.splitlines() if " owned --phone-number " in line]
    decide = command.removeprefix("numbergate ").replace("--reason 'how you know'", "").split()

    told = await desk.done(*decide, "--reason", "seen in the dashboard", "--yes")

    assert f"Doubt {operation} is decided: owned" in told
    assert (await tenant.operation(operation))["state"] == "succeeded"
    assert await desk.done("doubts", "list") == "No doubts.\n"
    assert await desk.done("orphans", "list") == "No orphans.\n"
    kept = "SELECT detail FROM evidence WHERE kind = 'operator' AND intent_id = CAST(:id AS uuid)"
    assert await gateway.sql(kept, id=operation) == [("seen in the dashboard",)]


async def test_what_was_resolved_meanwhile_is_told_with_how_and_1(desk: Desk, gateway: Gateway, tenant: Tenant):
    operation = await doubt(gateway, tenant, step="answering")
    await gateway.worker.resolver.run()
    assert (await tenant.operation(operation))["state"] == "succeeded"

    ended = await desk.run("doubts", "resolve", operation, "refused", "--reason", "because", "--yes")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(r"numbergate: This doubt was resolved meanwhile: owned, .*\n", ended.stderr)
    gone = await desk.run("doubts", "show", operation)
    assert (gone.returncode, gone.stdout) == (1, "")
    assert "it was resolved, or never was there" in gone.stderr


async def test_what_the_gateway_refuses_is_told_in_its_words_and_1(desk: Desk, gateway: Gateway):
    orphan = await stranger(gateway)
    resolve = ("orphans", "resolve", orphan["id"], "adopt", "--yes")

    for arguments, settings, words in (
        ((*resolve, "--reason", "bought by hand"), {}, "/tenant_id: is required: this orphan names none"),
        ((*resolve, "--reason", "no"), {}, "reason"),
        ((*resolve, "--reason", "by hand"), {"NUMBERGATE_API_KEY": gateway.admin.key}, "lacks the scope"),
        (("doubts", "list"), {"NUMBERGATE_API_KEY": "ngk_live_nonsense"}, "key"),
        (("doubts", "resolve", str(uuid4()), "refused", "--yes", "--reason", "because"), {}, "There is no such thing"),
        (("ghosts", "list"), {"NUMBERGATE_URL": "http://127.0.0.1:1"}, "http://127.0.0.1:1 does not answer"),
        (("ghosts", "list"), {"NUMBERGATE_URL": gateway.settings.teli_base_url}, "not as a gateway does"),
    ):
        ended = await desk.run(*arguments, **settings)
        assert (ended.returncode, ended.stdout) == (1, ""), arguments
        [line] = ended.stderr.splitlines()
        assert line.startswith("numbergate: ")
        assert words in line


async def test_what_is_wrong_in_the_command_is_2_and_asks_no_gateway(desk: Desk, tmp_path: Path):
    some = str(uuid4())
    nobody = {"NUMBERGATE_URL": "http://127.0.0.1:1"}
    for arguments in (
        ("doubts", "resolve", some, "adopt", "--reason", "because"),
        ("doubts", "resolve", some, "owned", "--reason", "because", "--yes"),
        ("doubts", "resolve", some, "refused", "--phone-number", "+13135550142", "--reason", "because", "--yes"),
        ("orphans", "resolve", some, "ignore", "--tenant", "t", "--reason", "because", "--yes"),
        ("ghosts", "resolve", some, "missing", "--yes"),
        ("ghosts", "show", "13"),
        ("ghosts",),
    ):
        ended = await desk.run(*arguments, **nobody)
        assert ended.returncode == 2, f"{arguments}: {ended.stderr}"
    for settings, words in (
        ({"NUMBERGATE_API_KEY": ""}, "NUMBERGATE_API_KEY: is not set"),
        ({"NUMBERGATE_URL": "http://gateway.example"}, "NUMBERGATE_URL: must be https outside loopback"),
        ({"NUMBERGATE_URL": "gateway.example"}, "NUMBERGATE_URL: must look like https://host"),
        ({"NUMBERGATE_API_KEY": "", "NUMBERGATE_API_KEY_FILE": str(tmp_path / "none")}, "cannot be read"),
    ):
        ended = await desk.run("doubts", "list", **settings)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert words in ended.stderr


async def test_url_and_key_are_taken_from_options_before_the_environment_and_the_key_from_a_file(
    desk: Desk, tmp_path: Path
):
    (tmp_path / "key").write_text(desk.settings["NUMBERGATE_API_KEY"] + "\n")
    url, key = desk.settings["NUMBERGATE_URL"], desk.settings["NUMBERGATE_API_KEY"]

    by_file = await desk.run("ghosts", "list", NUMBERGATE_API_KEY="", NUMBERGATE_API_KEY_FILE=str(tmp_path / "key"))
    by_option = await desk.run(
        "ghosts", "list", "--url", url, "--key", key,
        NUMBERGATE_URL="http://127.0.0.1:1", NUMBERGATE_API_KEY="", NUMBERGATE_API_KEY_FILE="/nowhere",
    )  # fmt: skip

    assert (by_file.returncode, by_file.stdout) == (0, "No ghosts.\n")
    assert (by_option.returncode, by_option.stdout) == (0, "No ghosts.\n")


async def test_an_orphan_is_adopted_given_back_or_ignored(desk: Desk, gateway: Gateway, tenant: Tenant):
    first, second, third = [await stranger(gateway) for _ in range(3)]
    shown = await desk.done("orphans", "show", first["id"])
    assert f"Teli shows {first['phone_number']}, and no purchase of ours accounts for it." in shown
    assert "nickname   Reception" in shown
    assert "adopt --tenant … --reason" in shown

    why = ("--reason", "bought by hand", "--yes")
    await desk.done("orphans", "resolve", first["id"], "adopt", "--tenant", tenant.id, *why)
    await desk.done("orphans", "resolve", second["id"], "release", "--tenant", tenant.id, "--user", USER, *why)
    told = json.loads(await desk.done("orphans", "resolve", third["id"], "ignore", *why, "--json"))

    assert told == {"id": third["id"], "state": "ignored", "number_id": None}
    await gateway.follow_up()
    assert await gateway.sql("SELECT phone_number, state FROM numbers ORDER BY acquired_at") == [
        (first["phone_number"], "active"),
        (second["phone_number"], "released"),
    ]
    again = await desk.run("orphans", "resolve", first["id"], "ignore", *why)
    assert (again.returncode, again.stderr) == (1, "numbergate: This orphan was decided before: adopted.\n")


async def test_a_ghost_is_listed_shown_and_decided(desk: Desk, gateway: Gateway, tenant: Tenant):
    number_id = await ghost(gateway, tenant)

    [item] = json.loads(await desk.done("ghosts", "list", "--json"))["items"]
    assert (item["id"], item["nickname"]) == (number_id, "Front desk")
    shown = await desk.done("ghosts", "show", number_id)
    assert f"We hold {item['phone_number']}, and" in shown
    assert "did not show it" in shown
    assert json.loads(await desk.done("ghosts", "show", number_id, "--json")) == item

    await desk.done("ghosts", "resolve", number_id, "missing", "--reason", "released by hand", "--yes")

    assert await gateway.sql("SELECT state FROM numbers") == [("missing",)]


async def test_an_unresolved_release_is_shown_with_its_reason_and_decided(desk: Desk, gateway: Gateway, tenant: Tenant):
    held = await tenant.bought()
    await gateway.follow_up()
    await gateway.teli.arm("server_error", operation="release", status=404, error="Phone number not found")
    await tenant.send("DELETE", f"{NUMBERS}/{held['phone_number']}")

    assert "its release is unresolved" in await desk.done("ghosts", "list", columns=240)
    shown = await desk.done("ghosts", "show", held["id"])
    assert f"{held['phone_number']} was to be released." in shown
    assert "why        its release is unresolved: answered 404" in shown
    asked = await desk.answering("n\n", "ghosts", "resolve", held["id"], "missing", "--reason", "not there")
    assert f"{held['phone_number']} is released, for good, and no longer counts." in asked.stderr
    decided = await desk.done("ghosts", "resolve", held["id"], "missing", "--reason", "not there", "--yes")
    assert f"Ghost {held['id']} is decided: released" in decided


async def test_a_number_that_was_never_listed_is_shown_so(desk: Desk, gateway: Gateway, tenant: Tenant):
    await gateway.teli.switch(list_lag_seconds=3600)
    held = await tenant.bought()
    await gateway.sql("UPDATE numbers SET acquired_at = acquired_at - interval '1 hour'")
    await look_again(gateway)

    assert "bought, and never listed; not in 1 listing" in await desk.done("ghosts", "list", columns=240)
    shown = await desk.done("ghosts", "show", held["id"])
    assert f"{held['phone_number']} was bought, at" in shown
    assert "1 complete listing since then did not show it." in shown


async def test_a_doubt_shows_what_it_was_decided_on(open_gateway: OpenGateway):
    async with open_gateway(upstream_timeout=0.5, settling_window=0.9) as gateway, served(gateway) as port:
        desk = Desk({"NUMBERGATE_URL": f"http://127.0.0.1:{port}", "NUMBERGATE_API_KEY": gateway.operator.key})
        tenant = await gateway.tenant()
        await tenant.bought(nickname="Front desk")
        await gateway.follow_up()
        operation = await until_unresolved(gateway, tenant)

        shown = await desk.done("doubts", "show", operation)

        assert ": no listing showed it, over the whole window" in shown
        assert re.search(r"  [0-9]+ looks, from 20\S+ \S+ UTC to 20", shown)
        assert "Front desk”, row " in shown


async def test_without_yes_it_says_what_will_be_and_asks(desk: Desk, gateway: Gateway, tenant: Tenant):
    orphan = await stranger(gateway)
    command = ("orphans", "resolve", orphan["id"], "adopt", "--tenant", tenant.id, "--reason", "bought by hand")

    for said in ("n\n", "\n", ""):
        ended = await desk.answering(said, *command)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert (
            f"{orphan['phone_number']} is held by tenant {tenant.id} for user {USER} from now on, and counts."
            in ended.stderr
        )
        assert await gateway.sql("SELECT state FROM orphans") == [("open",)]

    ended = await desk.answering("y\n", *command)
    assert ended.returncode == 0, ended.stderr
    assert await gateway.sql("SELECT state FROM orphans") == [("adopted",)]


async def test_a_list_fits_the_terminal_and_its_ids_stay_whole(desk: Desk, gateway: Gateway):
    orphan = await stranger(gateway, "A nickname that is far too long for any terminal of ordinary width " * 3)

    for columns in (60, 80, 100, 160):
        shown = await desk.done("orphans", "list", columns=columns)
        assert max(len(line) for line in shown.splitlines()) <= columns
        assert orphan["id"] in shown
        assert orphan["phone_number"] in shown


async def test_what_teli_says_cannot_take_over_the_terminal(desk: Desk, gateway: Gateway):
    orphan = await stranger(gateway, "\x1b[2J[red]Sales\u202e[/]\r\nnumbergate")

    for arguments in (("list",), ("show", orphan["id"])):
        shown = await desk.done("orphans", *arguments)
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", shown)
        assert "[red]Sales" in shown, "and what stands in brackets is text, not colour"


async def test_only_one_organisation_is_shown_where_asked_and_all_pages_with_all(desk: Desk, gateway: Gateway):
    await gateway.sql(
        "INSERT INTO orphans (account_id, organization_id, user_id, phone_number, row_id, reason)"
        " SELECT (SELECT id FROM accounts), CASE WHEN n % 3 = 0 THEN 'org-3' ELSE 'org-1' END, 'u',"
        " '+1' || (2000000000 + n)::text, n::text, 'unexplained' FROM generate_series(1, 250) n"
    )

    short = await desk.run("orphans", "list")
    assert (short.returncode, len(short.stdout.splitlines())) == (0, 101)
    assert "--all" in short.stderr
    first = json.loads((await desk.run("orphans", "list", "--json")).stdout)
    assert (len(first["items"]), first["complete"]) == (100, False)
    whole = json.loads(await desk.done("orphans", "list", "--json", "--all"))
    assert (len({item["id"] for item in whole["items"]}), whole["complete"]) == (250, True)
    third = json.loads(await desk.done("orphans", "list", "--json", "--organization", "org-3"))
    assert {item["organization_id"] for item in third["items"]} == {"org-3"}
    assert (len(third["items"]), third["complete"]) == (83, True)
