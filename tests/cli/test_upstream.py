"""`numbergate doctor --upstream`: what reading alone tells of a Teli, and that nothing but reading is done."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from service.cli.findings import observed
from service.cli.forms import id_form, time_form, told
from service.cli.reads import GetsOnly, reading
from service.cli.upstream import Seen
from service.observability.metrics import LANE_MODE
from service.teli.client import TeliClient
from service.teli.heard import Heard
from tests.conftest import SECRET, Engines
from tests.simulator.program import KEY
from tests.support.gateway import NUMBERS, ORGANIZATION, TELI_TENANT, USER, Gateway, Tenant

from .command import numbergate

pytestmark = pytest.mark.ci

Told = dict[str, Any]
Examine = Callable[..., Coroutine[Any, Any, Told]]


@pytest.fixture
def settings(gateway: Gateway, engines: Engines) -> dict[str, str]:
    return {
        "DATABASE_URL": gateway.settings.database_url.get_secret_value(),
        "REDIS_URL": engines.valkey.url,
        "TELI_BASE_URL": gateway.settings.teli_base_url,
        "TELI_API_KEY": KEY,
        "NUMBERGATE_SECRET": SECRET,
        "NUMBERGATE_TELI_TENANT_ID": TELI_TENANT,
    }


@pytest.fixture
def examine(gateway: Gateway, settings: dict[str, str]) -> Examine:
    """Run it; what it told, by question, under `code` its exit code. Whatever it finds, it only ever reads."""

    async def run(*arguments: str, **changed: str) -> Told:
        await gateway.teli.forget_requests()
        ended = await asyncio.to_thread(numbergate, "doctor", "--upstream", "--json", *arguments, **settings | changed)
        asked = await gateway.teli.requests()
        assert {one["method"] for one in asked} <= {"GET"}
        assert len(asked) <= 12
        assert ended.stderr == ""
        assert KEY not in ended.stdout
        body = json.loads(ended.stdout)
        parts = {one["question"]: one for part in ("upstream", "account") for one in body[part]}
        assert all(one["seen"] and one["means"] for one in parts.values())
        assert body["ok"] == (ended.returncode == 0)
        return {"code": ended.returncode, "requests": asked, **parts}

    return run


async def held(gateway: Gateway, tenant: Tenant, count: int = 2) -> None:
    for _ in range(count):
        await tenant.bought(nickname="Sales")
    await gateway.follow_up()


async def test_a_teli_as_documented_is_told_question_by_question(gateway: Gateway, tenant: Tenant, examine: Examine):
    await held(gateway, tenant)
    other = await gateway.teli.user(ORGANIZATION, email="ada@example.com", name="Ada")
    await gateway.teli.dashboard_buy("415", ORGANIZATION, other["unique_id"])

    found = await examine()

    assert found["code"] == 0
    assert found["organisations"]["facts"] == {"listed": 1, "with_uuid": 1, "filed_and_not_listed": []}
    assert found["users"]["facts"]["listed"] == 2
    assert found["listing"]["facts"] == {"count": 3, "rows": 3, "complete": True}
    assert found["is_admin"]["facts"] == {"own": 2, "whole": 3}
    assert "one listing covers an organisation" in found["is_admin"]["means"]
    assert found["row fields"]["seen"] == "as documented"
    assert found["row ids"]["seen"] == "all UUID"
    assert found["owners"]["facts"] == {
        "user_forms": ["UUID"], "organization_forms": ["UUID"], "owners_not_among_users": 0
    }  # fmt: skip
    assert found["created_at"]["seen"] == "all ISO without a zone"
    assert (found["nicknames"]["state"], found["nicknames"]["facts"]["with_mark"]) == ("settled", 2)
    assert found["analytics"]["facts"]["purchases"] == found["analytics"]["facts"]["rentals"] == 3
    assert "1.00 a purchase, 2.99 a rental, no currency named" in found["analytics"]["seen"]
    assert found["host"]["facts"]["modal"] is False
    assert found["latency"]["facts"]["reads"] == len(found["requests"]) - 1, "one more is the check of the key"
    assert found["only writes"]["state"] == "open"
    assert found["mode"]["facts"]["mode"] == "mark"
    assert found["listed"]["facts"]["listed_at"].endswith("Z")
    assert found["open"]["facts"] == {
        "account": "default",
        "held": 2, "unconfirmed": 0, "doubtful": 0, "unresolved": 0, "orphans": 0, "ghosts": 0,
    }  # fmt: skip


@pytest.mark.parametrize(("form", "shown"), [("uuid", "UUID"), ("unique_id", "unique_id")])
async def test_either_form_of_ids_in_rows_and_users_is_named(
    gateway: Gateway, tenant: Tenant, examine: Examine, form: str, shown: str
):
    await held(gateway, tenant)
    await gateway.teli.switch(id_form_numbers=form, id_form_users=form)

    found = await examine()

    assert found["owners"]["seen"] == f"users all {shown}; organisations all {shown}"
    assert (found["owners"]["state"], found["code"]) == ("settled", 0)


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("naive", "all ISO without a zone"),
        ("offset", "all ISO with an offset"),
        ("zulu", "all ISO with Z"),
        ("epoch", "all milliseconds since 1970"),
        ("empty", "all empty text"),
    ],
)
async def test_every_form_of_time_is_named_and_none_is_a_fault(
    gateway: Gateway, tenant: Tenant, examine: Examine, form: str, shown: str
):
    await held(gateway, tenant)
    await gateway.teli.switch(time_format=form)

    found = await examine()

    assert (found["created_at"]["seen"], found["code"]) == (shown, 0)


async def test_odd_but_readable_answers_are_told_as_they_are(gateway: Gateway, tenant: Tenant, examine: Examine):
    await held(gateway, tenant)

    async def oddly(form: str) -> Told:
        await gateway.teli.disarm()
        await gateway.teli.arm("odd_json", times=10, form=form, operation="list")
        return await examine()

    text = await oddly("text_numbers")
    assert (text["listing"]["seen"], text["code"]) == ("2 rows, and count says so, as text: '2'", 0)
    further = await oddly("extra_fields")
    assert (further["row fields"]["seen"], further["code"]) == ("not documented: x_unknown", 0)
    assert (await oddly("reversed"))["code"] == 0
    nulls = await oddly("nulls")
    assert (nulls["row ids"]["state"], nulls["listing"]["state"], nulls["code"]) == ("fault", "fault", 1)
    assert nulls["owners"]["facts"]["user_forms"] == ["missing"]


async def test_a_listing_that_fails_is_a_fault_that_says_what_it_means(
    gateway: Gateway, tenant: Tenant, examine: Examine
):
    await held(gateway, tenant)
    await gateway.teli.arm("server_error", times=10, operation="list", error="Failed to list phone numbers")

    found = await examine()

    assert found["code"] == 1
    assert (found["listing"]["state"], found["listing"]["seen"]) == (
        "fault",
        "answered 500, and not what its page shows",
    )
    assert "purchases stay doubts, and are not lost" in found["listing"]["means"]
    assert found["analytics"]["state"] == "settled"


async def test_a_teli_that_is_away_or_refuses_the_key_is_a_fault_told_once_by_each_who_needs_it(
    gateway: Gateway, examine: Examine
):
    refused = await examine(TELI_API_KEY="another")
    assert (refused["code"], refused["organisations"]["state"]) == (1, "fault")
    assert "answered 401" in refused["organisations"]["seen"]

    await gateway.teli.offline()
    try:
        away = await examine()
    finally:
        await gateway.teli.online()
    assert (away["code"], away["organisations"]["state"], away["latency"]["state"]) == (1, "fault", "fault")
    assert "no answer" in away["organisations"]["seen"]
    assert away["mode"]["state"] == "settled", "what the ledger knows is told all the same"


async def test_a_listing_whose_count_is_wrong_is_a_fault(gateway: Gateway, tenant: Tenant, examine: Examine):
    await held(gateway, tenant)
    await gateway.teli.arm("list_miscounts", times=10, operation="list")

    found = await examine()

    assert (found["listing"]["state"], found["listing"]["seen"], found["code"]) == ("fault", "2 rows, count 3", 1)


async def test_analytics_that_do_not_answer_or_differ_are_told_and_are_no_fault(
    gateway: Gateway, tenant: Tenant, examine: Examine
):
    await held(gateway, tenant)
    await gateway.teli.arm("analytics_miscount", operation="analytics_users", by=1)
    assert "3 rentals, while 2 are listed" in (await examine())["analytics"]["seen"]

    await gateway.teli.arm("html_error", operation="analytics_users")
    found = await examine()
    assert (found["analytics"]["facts"], found["code"]) == ({"readable": False}, 0)
    assert "no third witness" in found["analytics"]["means"]


async def test_an_account_without_a_number_and_a_named_organisation_without_one_are_told(
    gateway: Gateway, examine: Examine
):
    empty = await examine()
    assert (empty["rows"]["state"], empty["code"]) == ("open", 0)
    assert empty["rows"]["seen"] == f"{ORGANIZATION} holds no number"

    made = await gateway.teli.organization(TELI_TENANT, name="Another")
    found = await examine("--organization", made["unique_id"])
    assert (found["listing"]["state"], found["listing"]["seen"]) == (
        "open", f"no user of {made['unique_id']} to ask about"
    )  # fmt: skip
    assert {one["query"].get("user_id") for one in found["requests"]} == {None}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--organization", "org-9"), "--organization org-9: Teli names no such organisation"),
        (
            ("--organization", ORGANIZATION, "--user", "user-9"),
            f"--user user-9: Teli names no such user of {ORGANIZATION}",
        ),
    ],
)
async def test_an_option_that_teli_does_not_name_is_a_fault_and_nothing_is_concluded_from_it(
    gateway: Gateway, tenant: Tenant, examine: Examine, options: tuple[str, ...], told: str
):
    await held(gateway, tenant)

    found = await examine(*options)

    assert (found["code"], found["option"]["state"], found["option"]["seen"]) == (1, "fault", told)
    assert not found.keys() & {"listing", "is_admin", "rows", "nicknames", "analytics"}
    assert not [one for one in found["requests"] if one["operation"] in ("list", "analytics_users")]


async def test_in_mark_mode_no_mark_among_the_rows_is_not_told_as_lane_mode(
    gateway: Gateway, tenant: Tenant, examine: Examine
):
    await held(gateway, tenant, count=1)
    [[number]] = await gateway.sql("SELECT phone_number FROM numbers")
    await gateway.teli.dashboard_rename(number, "Sales")

    found = await examine()

    assert found["mode"]["facts"]["mode"] == "mark"
    assert (found["nicknames"]["state"], found["nicknames"]["facts"]["with_mark"]) == ("settled", 0)
    assert "the account is in mark mode" in found["nicknames"]["means"]
    assert "lane" not in found["nicknames"]["means"]


async def test_ghosts_are_counted_among_what_waits_for_a_person(gateway: Gateway, tenant: Tenant, examine: Examine):
    await held(gateway, tenant, count=1)
    number = (await tenant.bought())["phone_number"]
    await gateway.follow_up()
    await gateway.teli.arm("server_error", operation="release", status=404, error="Phone number not found")
    await tenant.send("DELETE", f"{NUMBERS}/{number}")

    found = (await examine())["open"]

    assert (found["facts"]["ghosts"], found["facts"]["orphans"]) == (1, 0)
    assert "0 orphans, 1 ghost" in found["seen"]
    assert "every ghost waits for a person" in found["means"]


async def test_with_an_empty_ledger_an_organisation_that_holds_a_number_is_looked_for(
    gateway: Gateway, examine: Examine
):
    for name in ("First", "Second"):
        made = await gateway.teli.organization(TELI_TENANT, name=name)
        person = await gateway.teli.user(made["unique_id"], email=f"{name}@example.com", name=name)
    await gateway.teli.dashboard_buy("415", made["unique_id"], person["unique_id"])
    nobody = "postgresql://nobody:no@127.0.0.1:1/none"

    found = await examine(DATABASE_URL=nobody)

    assert found["code"] == 1, "the check of the database tells that"
    assert (found["listing"]["facts"]["rows"], found["row ids"]["seen"]) == (1, "all UUID")
    assert "mode" not in found


async def test_a_switch_of_mode_is_seen_by_the_doctor_in_a_metric_a_log_line_and_the_audit_log(
    gateway: Gateway, tenant: Tenant, examine: Examine
):
    first = await examine()
    assert first["mode"]["facts"]["mode"] == "lane"
    assert "from the first" in first["mode"]["seen"]
    assert "one purchase at a time for each user" in first["mode"]["means"]

    for mode, nickname in (("mark", "kept"), ("lane", "dropped"), ("mark", "kept")):
        await gateway.teli.switch(nickname=nickname)
        await tenant.bought()
        with capture_logs() as logs:
            await gateway.follow_up()

        found = (await examine())["mode"]
        assert (found["facts"]["mode"], found["facts"]["learned"]) == (mode, True)
        assert ("came back without its mark" in found["seen"]) == (mode == "lane")
        [[since]] = await gateway.sql("SELECT mode_changed_at FROM accounts")
        assert found["facts"]["since"] == since.isoformat().replace("+00:00", "Z")
        assert LANE_MODE.labels("default")._value.get() == (mode == "lane")
        [line] = [one for one in logs if one["event"] == "account mode changed"]
        assert line["log_level"] == ("warning" if mode == "lane" else "info")

    audited = (
        "SELECT before ->> 'mode', \"after\" ->> 'mode' FROM audit WHERE action = 'account.mode_learned' ORDER BY id"
    )
    assert await gateway.sql(audited) == [("lane", "mark"), ("mark", "lane"), ("lane", "mark")]


async def test_for_a_person_each_finding_is_followed_by_what_it_means(
    gateway: Gateway, tenant: Tenant, settings: dict[str, str]
):
    await held(gateway, tenant)

    ended = await asyncio.to_thread(numbergate, "doctor", "--upstream", **settings)

    assert (ended.returncode, ended.stderr) == (0, "")
    checks, *parts = ended.stdout.strip().split("\n\n")
    assert len(checks.splitlines()) == 7
    assert [len(part.splitlines()) for part in parts] == [1 + 2 * 13, 1 + 2 * 3]
    for part in parts:
        _, *lines = part.splitlines()
        assert {line.split()[0] for line in lines[::2]} <= {"seen", "open"}
        assert all(line.startswith(" " * 21 + "→ ") for line in lines[1::2])


async def test_options_that_make_no_sense_alone_are_2(settings: dict[str, str]):
    for arguments in (("--organization", "o"), ("--upstream", "--user", "u")):
        assert (await asyncio.to_thread(numbergate, "doctor", *arguments, **settings)).returncode == 2


async def test_what_is_no_read_never_leaves_this_machine(gateway: Gateway):
    await gateway.teli.forget_requests()
    async with reading(gateway.settings, listen=5) as found:
        assert isinstance(found.teli, TeliClient)
        for method, path in (
            ("POST", f"{NUMBERS}/create"),
            ("POST", f"{NUMBERS}/+13135550142/update-agent"),
            ("DELETE", f"{NUMBERS}/+13135550142"),
        ):
            heard = await found.teli._call(method, path, json={"area_code": "313", "user_id": USER})
            assert (heard.kind, heard.status) == ("never_sent", None)
            assert "NotARead" in str(heard.detail)
        assert found.transport.reads == []
    assert await gateway.teli.requests() == []


def answer(body: object, **headers: str) -> Heard:
    return Heard("answer", 200, headers, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("rows", "question", "state", "words"),
    [
        ([{"id": "a", "phone_number": "+1"}] * 2, "row ids", "fault", "1 of them twice"),
        ([{"id": 5, "phone_number": "+1"}], "row ids", "fault", "all not text"),
        (
            [{"id": "a", "phone_number": "+1", "user_id": "stranger"}],
            "owners",
            "fault",
            "1 of users that Teli does not",
        ),
        ([{"id": "a", "phone_number": "+1"}, None, 5, "x"], "listing", "fault", "3 without an id or a number"),
        ([{"id": "a", "phone_number": "+1", "nickname": "\x1b[2J"}], "nicknames", "open", "0 a mark of ours"),
    ],
)
def test_rows_of_other_shapes_are_judged(rows: list[Any], question: str, state: str, words: str):
    listing = answer({"success": True, "count": len(rows), "phone_numbers": rows})
    seen = Seen(
        "https://teli.example", answer({"organizations": []}), "o", "u",
        users=answer({"users": []}), own=listing, whole=listing, analytics=answer({}),
    )  # fmt: skip

    [found] = [one for one in observed(seen, None) if one.question == question]

    assert (found.state, words in found.seen) == (state, True), found


def test_a_host_that_names_modal_is_told():
    seen = Seen("https://teli.example", answer({"organizations": []}, **{"Modal-Function-Call-Id": "fc-1"}))

    [host] = [one for one in observed(seen, None) if one.question == "host"]

    assert host.facts["modal"] is True
    assert "followed once, by GET" in host.means


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("1762896364768x389173798861431550", "unique_id"),
        ("5b0c6d0e-6a7a-4c55-9a37-0f2d5f6f1a01", "UUID"),
        ("org_1", "other text"),
        ("", "missing"),
        (None, "missing"),
        (5, "not text"),
    ],
)
def test_forms_of_ids_are_told_apart(value: object, form: str):
    assert id_form(value) == form


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("2026-05-04T10:11:12.345678", "ISO without a zone"),
        ("2026-05-04T10:11:12Z", "ISO with Z"),
        ("2026-05-04T10:11:12+00:00", "ISO with an offset"),
        ("2026-05-04T10:11:12 noon", "other text"),
        (1777890000000, "milliseconds since 1970"),
        ("1777890000000", "milliseconds since 1970, as text"),
        (1777890000, "a number"),
        ("", "empty text"),
        (None, "missing"),
        ("May", "other text"),
        (True, "not text"),
    ],
)
def test_forms_of_times_are_told_apart(value: object, form: str):
    assert time_form(value) == form


def test_a_mixture_is_told_with_its_counts_the_most_frequent_first():
    assert (told(["a", "b", "b"]), told(["a"])) == ("2 b, 1 a", "all a")


async def test_the_guard_lets_gets_through_and_measures_them():
    guard = GetsOnly(httpx.MockTransport(lambda request: httpx.Response(204)))
    async with httpx.AsyncClient(transport=guard) as client:
        await client.get("http://teli.example/v1/organizations")

    [read] = guard.reads
    assert (read.path, read.status) == ("/v1/organizations", 204)
    assert read.seconds >= 0
