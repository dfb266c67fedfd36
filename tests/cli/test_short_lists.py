"""`numbergate doubts`, `orphans` and `ghosts`, run as an operator runs them, against a gateway that serves."""

import json
import re
from pathlib import Path
from uuid import uuid4

import pytest

from service.cli.evidence import story
from tests.conftest import OpenGateway
from tests.http.serving import served
from tests.reconciliation.test_doubts import many
from tests.reconciliation.test_resolver import doubt, look_again, until_unresolved
from tests.support.gateway import NUMBERS, ORGANIZATION, USER, Gateway, Tenant

from .desk import Desk

pytestmark = pytest.mark.ci

LISTS = ("doubts", "orphans", "ghosts")


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


async def test_of_a_doubt_with_much_to_show_the_rest_is_counted(desk: Desk, gateway: Gateway, tenant: Tenant):
    await many(gateway, tenant, doubts=1, orphans=120, pieces=101)

    assert "120 candidates" in await desk.done("doubts", "list", columns=240)
    [item] = json.loads(await desk.done("doubts", "list", "--json"))["items"]
    shown = (await desk.done("doubts", "show", item["id"])).splitlines()

    assert "  1 earlier piece of evidence, not shown" in shown
    assert "  and 20 more rows, not shown: numbergate orphans list" in shown


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
        ((*resolve, "--reason", "bought by hand"), {}, "--tenant: is required: this orphan names none"),
        ((*resolve, "--reason", "no"), {}, "numbergate: --reason: "),
        ((*resolve, "--reason", "by hand"), {"NUMBERGATE_API_KEY": gateway.admin.key}, "the caller lacks"),
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
        ("doubts", "resolve", some, "owned", "--phone-number", "3135550142", "--reason", "because"),
        ("doubts", "resolve", some, "owned", "--phone-number", "+44 20 7946 0958", "--reason", "because", "--yes"),
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
        ({"NUMBERGATE_URL": "http://127.0.0.1:x/"}, "NUMBERGATE_URL: must look like https://host"),
        ({"NUMBERGATE_URL": "https://gateway.example:99999"}, "NUMBERGATE_URL: must look like https://host"),
        ({"NUMBERGATE_URL": "http://127.0.0.1:0"}, "NUMBERGATE_URL: must look like https://host"),
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
        label, row = shown.split(": no listing showed it, over the whole window\n")[1].splitlines()[1:3]
        assert label == f"  What that listing showed of user {USER}, none of it proved to be this purchase's:"
        assert "Front desk”, row " in row


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


async def test_what_cannot_be_decided_so_is_told_before_it_is_asked(desk: Desk, gateway: Gateway, tenant: Tenant):
    orphan, some = await stranger(gateway), str(uuid4())
    why = ("--reason", "bought by hand")

    for arguments, told in (
        (("orphans", "resolve", orphan["id"], "adopt"), "--tenant: is required: this orphan names none"),
        (("orphans", "resolve", orphan["id"], "release", "--user", USER), "--tenant: is required: this orphan"),
        (("orphans", "resolve", some, "ignore"), f"no {some} is on the list of orphans: it was resolved, or never"),
        (("doubts", "resolve", some, "refused"), f"no {some} is on the list of doubts: "),
    ):
        ended = await desk.answering("y\n", *arguments, *why)
        assert (ended.returncode, ended.stdout) == (1, ""), arguments
        assert ended.stderr.startswith(f"numbergate: {told}")
        assert "Decide so?" not in ended.stderr
    assert await gateway.sql("SELECT state FROM orphans") == [("open",)]


async def test_a_number_is_taken_as_people_write_it(desk: Desk, gateway: Gateway, tenant: Tenant):
    operation = await doubt(gateway, tenant, step="received")

    ended = await desk.answering(
        "y\n",
        "doubts",
        "resolve",
        operation,
        "owned",
        "--phone-number",
        "+1 (313) 555-0142",
        "--reason",
        "on the invoice",
    )

    assert "The purchase is taken to have bought +13135550142" in ended.stderr
    assert ended.stderr.endswith("[y/N] ")
    [[number_id, phone_number]] = await gateway.sql("SELECT CAST(id AS text), phone_number FROM numbers")
    assert phone_number == "+13135550142"
    assert ended.stdout == f"Doubt {operation} is decided: owned, number_id {number_id}.\n"


async def test_into_a_pipe_a_list_is_not_cropped(desk: Desk, gateway: Gateway):
    nickname = "A nickname that is far too long for any terminal of ordinary width " * 3
    orphan = await stranger(gateway, nickname)
    nameless = await stranger(gateway, None)

    shown = await desk.done("orphans", "list", columns=60)

    [first, second] = shown.splitlines()[1:]
    assert "…" not in shown
    assert all(words in first for words in (orphan["id"], nickname.strip(), ORGANIZATION))
    assert nameless["id"] in second
    assert "unexplained" not in second, "where nicknames stand, a dash stands for none"


async def test_an_organisation_that_has_none_is_told_for_its_id_may_be_wrong(desk: Desk, gateway: Gateway):
    await stranger(gateway)

    for form, stdout in (((), ""), (("--json",), '{"items": [], "complete": true}\n')):
        ended = await desk.run("orphans", "list", "--organization", "org-9", *form)
        assert (ended.returncode, ended.stdout) == (0, stdout)
        assert ended.stderr == "numbergate: no orphans of organisation org-9; check the id\n"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("ReadError", "the connection broke while the answer was waited for"),
        ("RemoteProtocolError: Server disconnected", "before a whole answer had come (Server disconnected)"),
        ("TimeoutError", "no answer came in time"),
        ("absent", "no listing showed it"),
        ("sender_lost", "the process that sent it ended"),
        ("status 502", "Teli answered 502, which does not tell whether it bought"),
        ("status 200 with success false", "Teli answered 200, and said in it that it had failed"),
        ("status 204 without a number", "Teli answered 204, and named no number"),
        ("something else", "something else"),
    ],
)
def test_why_it_is_a_doubt_is_told_in_plain_words(reason: str, words: str):
    [line] = [one for one in story("doubts", {"id": "d", "state": "doubtful", "reason": reason}) if "  why  " in one]

    assert words in line
    assert reason == words or reason not in line


async def test_a_list_fits_the_terminal_and_its_ids_stay_whole(desk: Desk, gateway: Gateway):
    orphan = await stranger(gateway, "A nickname that is far too long for any terminal of ordinary width " * 3)

    for columns in (60, 80, 100, 160):
        shown = await desk.at_a_terminal("orphans", "list", columns=columns)
        assert "…" in shown
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
