"""`numbergate organizations`, `tenants`, `keys` and all else of administration, as an administrator runs them."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.http.refusals import problem
from tests.http.serving import served
from tests.support.gateway import ORGANIZATION, USER, Gateway, Tenant

from .desk import Desk

pytestmark = pytest.mark.ci


@pytest.fixture
async def office(gateway: Gateway) -> AsyncIterator[Desk]:
    """An administrator's terminal."""
    async with served(gateway) as port:
        yield Desk({"NUMBERGATE_URL": f"http://127.0.0.1:{port}", "NUMBERGATE_API_KEY": gateway.admin.key})


def row(table: str, of: str) -> str:
    [found] = [line for line in table.splitlines() if line.startswith(of)]
    return " ".join(found.split())


async def test_a_caller_is_filed_from_its_organisation_to_a_key_that_buys(gateway: Gateway, office: Desk):
    shown = "id       org?north\nname     North\naccount  the tenant's\n"
    put = ("organizations", "put", "org?north", "--name", "North")
    assert await office.done(*put) == f"{shown}created  just now; it was not there before\n"
    assert await office.done(*put) == await office.done("organizations", "show", "org?north") == shown
    await office.done("users", "put", "org?north", "ada", "--name", "Ada", "--exclusive")
    assert row(await office.done("users", "list", "org?north"), "ada") == "ada Ada – yes"
    assert "Ada" in await office.done("users", "show", "org?north", "ada")
    granted = ("--organization", "org?north", "--organization", ORGANIZATION)
    made = await office.done("tenants", "put", "dialler", "--name", "Dialler", *granted)
    assert made.splitlines()[3] == f"organisations  {ORGANIZATION}, org?north"

    issued = await office.run("keys", "create", "dialler", "--name", "k", "--scope", "numbers:create")

    assert issued.returncode == 0, issued.stderr
    key = issued.stdout.removesuffix("\n")
    assert key.startswith("ngk_") and key.isprintable(), "alone on stdout, for a pipe"
    assert key not in issued.stderr and "shown this once" in issued.stderr
    assert (await Tenant(gateway.http, "dialler", key).buy()).status_code == 200

    limit = ("--scope", "numbers:read", "--user", "ada", "--network", "203.0.113.0/24")
    await office.run("keys", "create", "dialler", "--name", "limited", *limit)
    assert "ada, 203.0.113.0/24" in await office.done("keys", "list", "--tenant", "dialler")
    [limited, _] = json.loads(await office.done("keys", "list", "--tenant", "dialler", "--json"))["items"]
    await office.done("keys", "revoke", limited["id"], "--yes")

    [listed] = json.loads(await office.done("keys", "list", "--state", "good", "--tenant", "dialler", "--json"))[
        "items"
    ]
    assert (listed["hint"], key in await office.done("keys", "list")) == (key[-4:], False)
    rotated = json.loads(await office.done("keys", "rotate", listed["id"], "--overlap", "0", "--yes", "--json"))
    assert rotated["key"] != key
    asked = await office.answering("n\n", "keys", "revoke", rotated["id"])
    assert (asked.returncode, "nothing was revoked" in asked.stderr) == (1, True)
    assert await office.done("keys", "revoke", rotated["id"], "--yes") == f"Key {rotated['id']} is revoked.\n"
    await gateway.services.version.look()
    problem(await Tenant(gateway.http, "dialler", rotated["key"]).buy(), 401, "revoked_key")


@pytest.mark.ci
async def test_a_policy_is_changed_by_what_is_named_and_shown_in_words(gateway: Gateway, tenant: Tenant, office: Desk):
    rules = ("--area-code", "313", "--area-code", "734", "--agents", "none", "--idempotency-required")
    await office.done("policies", "put", tenant.id, *rules, "--write-off", "never", "--drift", "ours_wins")
    told = json.loads(
        await office.done("policies", "put", tenant.id, "--no-orphan-reuse", "--order-weight", "3", "--json")
    )

    assert told == {
        "tenant_id": tenant.id, "idempotency_required": True, "agents_allowed": [],
        "area_codes_allowed": ["313", "734"], "orphan_reuse": False, "write_off": "never", "drift": "ours_wins",
        "order_weight": 3,
    }  # fmt: skip
    shown = await office.done("policies", "show", tenant.id)
    assert [line.split("  ")[-1].strip() for line in shown.splitlines()] == [
        tenant.id, "yes", "313, 734", "none", "no", "never", "ours wins", "3",
    ]  # fmt: skip
    await office.done("policies", "put", tenant.id, "--area-codes", "any", "--agent", "a1", "--write-off", "default")
    assert (
        row(await office.done("policies", "list"), tenant.id)
        == f"{tenant.id} yes any a1 no as the deployment ours wins 3"
    )


@pytest.mark.ci
async def test_users_are_taken_over_from_teli(gateway: Gateway, office: Desk):
    await gateway.teli.user(ORGANIZATION, unique_id="u1", name="Ann", email="ann@example.com")
    told = await office.done("users", "sync", ORGANIZATION)
    assert told == "1 added, 1 changed, 0 unchanged.\n"
    assert "ann@example.com" in await office.done("users", "list", ORGANIZATION)
    counts = json.loads(await office.done("organizations", "sync", "--json"))
    assert counts["not_at_teli"] == 0


@pytest.mark.ci
async def test_a_tenant_is_suspended_and_after_a_question_closed(gateway: Gateway, tenant: Tenant, office: Desk):
    await tenant.bought()
    assert "state          suspended" in await office.done("tenants", "suspend", tenant.id)
    problem(await tenant.buy(), 503, "purchases_stopped")
    await office.done("tenants", "activate", tenant.id)

    asked = await office.answering("\n", "tenants", "close", tenant.id)
    assert (asked.returncode, asked.stdout) == (1, "")
    assert "It holds 1 number;" in asked.stderr and "nothing was closed" in asked.stderr
    assert (await tenant.get("/v1/numbers")).status_code == 200

    assert (await office.answering("y\n", "tenants", "close", tenant.id)).returncode == 0
    await gateway.services.version.look()
    problem(await tenant.get("/v1/numbers"), 401, "invalid_key")
    assert row(await office.done("tenants", "list"), tenant.id).split()[2] == "closed"


async def test_a_key_is_limited_as_it_is_issued(gateway: Gateway, tenant: Tenant, office: Desk):
    limits = (
        "--organization",
        ORGANIZATION,
        "--user",
        USER,
        "--network",
        "203.0.113.0/24",
        "--network",
        "2001:db8::/32",
    )
    issued = await office.done("keys", "create", tenant.id, "--name", "k", "--scope", "numbers:read", *limits, "--json")
    told = json.loads(issued)
    assert (told["organization_ids"], told["user_ids"]) == ([ORGANIZATION], [USER])
    assert told["networks"] == ["203.0.113.0/24", "2001:db8::/32"]


async def test_an_account_is_filed_bound_and_given_another_key_that_no_argument_names(
    gateway: Gateway, tenant: Tenant, office: Desk, tmp_path: Path
):
    keys = "europe-teli-key-1", "europe-teli-key-2"
    file = tmp_path / "key"
    file.write_text(keys[1] + "\n")
    added = await office.piped(
        keys[0] + "\n",
        "accounts",
        "add",
        "europe",
        "--base-url",
        "https://teli.example",
        "--teli-tenant",
        "acme",
        "--json",
    )
    assert added.returncode == 0, added.stderr
    account = json.loads(added.stdout)["id"]
    assert row(await office.done("accounts", "show", account), "key ends in") == "key ends in ey-1"

    rotated = await office.done("accounts", "rotate", account, "--teli-key-file", str(file), "--yes")
    assert row(rotated, "key ends in") == "key ends in ey-2"
    assert row(await office.done("accounts", "list"), account).split()[1] == "europe"
    assert not any(key in added.stdout + rotated for key in keys)

    bound = json.loads(await office.done("tenants", "put", tenant.id, "--account", account, "--json"))
    assert bound["account_id"] == account
    for changes, bound_to in ((("--account", account), account), (("--no-account",), None)):
        put = json.loads(await office.done("organizations", "put", ORGANIZATION, *changes, "--json"))
        assert (put["account_id"], put["name"]) == (bound_to, "Test organisation")


async def test_a_person_is_seen_and_logged_out(gateway: Gateway, office: Desk):
    begun = {"actor": "person:ada", "request_id": "before"}
    await gateway.services.sessions.begin("https://login.example", "ada", ["x"], **begun)
    [session] = json.loads(await office.done("sessions", "list", "--json"))["items"]
    assert row(await office.done("sessions", "list"), session["id"]).split()[1:3] == [
        "person:https://login.example|ada", "none",
    ]  # fmt: skip
    assert await office.done("sessions", "end", session["id"]) == f"Session {session['id']} is ended.\n"
    assert await office.done("sessions", "list") == "No sessions.\n"


async def test_what_is_wrong_is_told_in_one_line_by_the_option_that_it_is_about(tenant: Tenant, office: Desk):
    arguments: tuple[str, ...]
    for arguments, words in (
        (("tenants", "show", "nobody"), "There is no such tenant."),
        (("tenants", "put", tenant.id, "--organization", "o9"), "--organization: o9 is not an organisation"),
        (("tenants", "suspend", "nobody"), "There is no such tenant; to make one, give it a name."),
        (("tenants", "put", tenant.id, "--account", str(uuid4())), "--account: is not an upstream account"),
        (("sessions", "end", str(uuid4())), "There is no such session."),
        (("keys", "create", tenant.id, "--name", "k", "--scope", "fly"), "--scope: is not a scope"),
        (
            ("keys", "create", tenant.id, "--name", "k", "--scope", "numbers:read", "--network", "10.0.0.1/8"),
            "--network: ",
        ),
        (("policies", "put", tenant.id, "--area-code", "800"), "--area-code: 800 is a toll-free code"),
        (("policies", "put", tenant.id, "--write-off", "1"), "--write-off: must be no shorter"),
        (("users", "put", "o9", USER), "There is no such organisation"),
    ):
        ended = await office.run(*arguments)
        assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1), arguments
        assert ended.stderr.startswith(f"numbergate: {words}"), ended.stderr
    for arguments in (
        ("policies", "put", tenant.id),
        ("policies", "put", tenant.id, "--write-off", "inf"),
        ("policies", "put", tenant.id, "--agents", "none", "--agent", "a1"),
        ("tenants", "put", "..", "--name", "x"),
        ("keys", "revoke", "ngk_live_x"),
        ("organizations", "put", "o", "--no-account", "--account", str(uuid4())),
        ("accounts", "rotate", str(uuid4()), "--teli-key-file", "/nowhere"),
    ):
        ended = await office.run(*arguments)
        assert (ended.returncode, ended.stdout) == (2, ""), arguments
