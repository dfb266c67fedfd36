"""Several upstream accounts: each key at its own origin alone, each number with the account that bought it."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from service.tenants.upstreams import DEFAULT
from service.worker import work_with
from tests.conftest import OpenGateway
from tests.http.refusals import problem
from tests.simulator.control import SimulatorControl
from tests.simulator.program import KEY, Simulator
from tests.support.gateway import AUTHOR, NUMBERS, ORGANIZATION, TELI_TENANT, USER, Gateway, Tenant
from tests.support.wire import Wire

ACCOUNTS = "/v1/admin/accounts"
PATIENT = {"upstream_timeout": 60, "answer_within": 60}
OTHER_KEY, NEXT_KEY = "another-teli-key-1", "another-teli-key-2"


def encrypting(*names: str) -> str:
    """Keys as NUMBERGATE_ACCOUNT_KEYS has them, each made of its name."""
    return " ".join(f"{name}:{base64.b64encode(name.encode().ljust(32, b'.')).decode()}" for name in names)


@pytest.fixture(scope="module")
def second_process() -> Iterator[Simulator]:
    running = Simulator()
    yield running
    running.stop()


@pytest.fixture
async def second(second_process: Simulator) -> AsyncIterator[SimulatorControl]:
    """Another Teli, that takes the other account's key and not the first's."""
    async with SimulatorControl(second_process.control_url) as control:
        await control.reset()
        await control.tenant(TELI_TENANT, OTHER_KEY)
        await control.tenant(TELI_TENANT, KEY, "revoked")
        yield control


class Tap(Wire):
    """Notes the key of every request that comes by."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.keys: set[str] = set()
        self.on_question = self._note

    def _note(self, question: bytes) -> None:
        self.keys |= {key.decode() for key in re.findall(rb"(?i)x-api-key: *(\S+)", question)}


@dataclass
class Two:
    """A gateway over two simulators, and what came by before each."""

    gateway: Gateway
    account_id: str
    second: SimulatorControl
    taps: tuple[Tap, Tap]

    async def refresh(self) -> None:
        """As processes do within a second."""
        for services in (self.gateway.services, self.gateway.worker):
            await services.version.look()
            await services.upstreams.follow()

    async def move(self, tenant: Tenant, account_id: str | None = None) -> None:
        path = f"/v1/admin/tenants/{tenant.id}"
        answer = await self.gateway.admin.send("PUT", path, json={"account_id": account_id or self.account_id})
        assert answer.status_code == 200, answer.text
        await self.refresh()

    async def sold(self) -> tuple[int, int]:
        return len(await self.gateway.teli.purchases()), len(await self.second.purchases())


@pytest.fixture
async def two(
    open_gateway: OpenGateway, teli_process: Simulator, second_process: Simulator, second: SimulatorControl
) -> AsyncIterator[Two]:
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(Tap(it.url)) for it in (teli_process, second_process)]
        gateway = await stack.enter_async_context(
            open_gateway(account_keys=encrypting("k1"), teli_base_url=one.url, key_environment="test", **PATIENT)
        )
        created = await gateway.admin.send("POST", ACCOUNTS, json=wanted(other.url))
        assert created.status_code == 201, created.text
        opened = Two(gateway, created.json()["id"], second, (one, other))
        for services in (gateway.services, gateway.worker):
            stack.push_async_callback(services.upstreams.close)
        await opened.refresh()
        await gateway.worker.existing.list_new_accounts()
        yield opened


def wanted(base_url: str = "https://teli.example", **changed: Any) -> dict[str, Any]:
    return {"name": "other", "base_url": base_url, "teli_tenant_id": TELI_TENANT, "key": OTHER_KEY} | changed


async def accounts_of(gateway: Gateway, *phone_numbers: str) -> list[str]:
    found = dict(
        await gateway.sql("SELECT n.phone_number, a.name FROM numbers n JOIN accounts a ON a.id = n.account_id")
    )
    return [found[one] for one in phone_numbers]


async def test_a_number_stays_with_the_account_that_bought_it_and_each_key_only_reaches_its_own_origin(two: Two):
    gateway = two.gateway
    tenant = await gateway.tenant()
    first = (await tenant.bought())["phone_number"]
    await two.move(tenant)
    second = (await tenant.bought("415"))["phone_number"]
    newcomer = (await two.second.user(ORGANIZATION, name="New", email="new@example.com"))["unique_id"]
    third = (await tenant.bought("212", user_id=newcomer))["phone_number"]
    await gateway.follow_up()
    await gateway.look_everywhere()
    assert await accounts_of(gateway, first, second, third) == [DEFAULT, "other", "other"]
    assert await two.sold() == (1, 2)
    assert await gateway.sql("SELECT count(*) FROM numbers WHERE confirmed_at IS NULL") == [(0,)]
    assert await gateway.sql("SELECT count(*) FROM orphans") == [(0,)]

    for number in (first, second):
        answer = await tenant.send("POST", f"{NUMBERS}/{number}/update-agent", json={"inbound_agent_id": "agent_1"})
        assert answer.status_code == 200, answer.text
        answer = await tenant.send("DELETE", f"{NUMBERS}/{number}")
        assert answer.status_code == 200, answer.text

    assert (await gateway.teli.counts())["held"] == 0
    assert (await two.second.counts())["held"] == 1
    assert [tap.keys for tap in two.taps] == [{KEY}, {OTHER_KEY}]


async def test_an_organisation_with_an_account_of_its_own_is_bought_for_through_that_one(two: Two):
    gateway, path = two.gateway, f"/v1/admin/organizations/{ORGANIZATION}"
    tenant = await gateway.tenant()
    bound = await gateway.admin.send("PUT", path, json={"name": "Bound", "account_id": two.account_id})
    assert bound.json()["account_id"] == two.account_id
    await gateway.services.version.look()
    bought = (await tenant.bought(tenant_id=TELI_TENANT))["phone_number"]
    renamed = await gateway.admin.send("PUT", path, json={"name": "Renamed"})
    assert renamed.json()["account_id"] == two.account_id
    freed = await gateway.admin.send("PUT", path, json={"name": "Renamed", "account_id": None})
    assert freed.json()["account_id"] is None
    again = (await tenant.bought("415"))["phone_number"]

    assert await accounts_of(gateway, bought, again) == ["other", DEFAULT]


async def test_a_rotation_under_purchases_loses_and_doubles_nothing(two: Two):
    gateway = two.gateway
    await gateway.sql("UPDATE accounts SET mode = 'mark'")
    tenant = await gateway.tenant()
    await two.move(tenant)
    await two.second.tenant(TELI_TENANT, NEXT_KEY)
    await two.second.hold("answering", times=6)
    begun = [asyncio.create_task(tenant.buy(key=f"before-{number}")) for number in range(6)]
    async with asyncio.timeout(60):
        while len(await two.second.holds()) + sum(task.done() for task in begun) < len(begun):
            await asyncio.sleep(0.02)

    rotated = await gateway.admin.send("PUT", f"{ACCOUNTS}/{two.account_id}/key", json={"key": NEXT_KEY})
    assert rotated.status_code == 200, rotated.text
    await two.refresh()
    later = [asyncio.create_task(tenant.buy(key=f"after-{number}")) for number in range(6)]
    answers = await asyncio.gather(*later)
    await two.second.release_holds()
    answers += await asyncio.gather(*begun)

    # On a machine so slow that the moment to send had gone by, nothing was bought, and the answer says so.
    bought = [answer.json()["phone_number"] for answer in answers if answer.status_code == 200]
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert len(bought) == len(set(bought)) > 0
    assert await two.sold() == (0, len(bought))
    assert two.taps[1].keys == {OTHER_KEY, NEXT_KEY}
    await two.second.tenant(TELI_TENANT, OTHER_KEY, "revoked")
    await tenant.bought()
    await gateway.follow_up()
    assert await gateway.sql("SELECT count(*) FROM numbers WHERE confirmed_at IS NULL") == [(0,)]


async def test_the_worker_confirms_and_sweeps_for_an_account_while_the_teli_of_another_hangs(two: Two):
    gateway = two.gateway
    mine, theirs = await gateway.tenant(), await gateway.tenant()
    await two.move(theirs)
    hanging = await two.second.hold("received", operation="list", times=100)
    their_number = await theirs.bought("415")
    stop = asyncio.Event()
    working = asyncio.create_task(work_with(gateway.settings, gateway.worker, stop))
    await two.second.until_held(1, within=60)

    async def confirmed(number: dict[str, Any]) -> bool:
        return await gateway.sql("SELECT confirmed_at IS NOT NULL FROM numbers WHERE id = :id", id=number["id"]) == [
            (True,)
        ]

    number = await mine.bought()
    async with asyncio.timeout(60):
        while not await confirmed(number):
            await asyncio.sleep(0.05)
        while await gateway.sql(
            "SELECT 1 FROM accounts a LEFT JOIN looks l ON l.account_id = a.id WHERE a.name = :name"
            " HAVING count(l.looked_at) = 0", name=DEFAULT,
        ):  # fmt: skip
            await asyncio.sleep(0.05)
        assert not await confirmed(their_number)
        await two.second.disarm(hanging)
        while not await confirmed(their_number):
            await two.second.release_holds()
            await gateway.sql(
                "UPDATE steps SET due_at = clock_timestamp() WHERE state = 'waiting' AND kind = 'confirm'"
            )
            await asyncio.sleep(0.05)
    stop.set()
    await working


async def test_without_its_encryption_key_one_account_is_out_of_service_and_the_others_go_on(
    two: Two, open_gateway: OpenGateway
):
    tenant, other = await two.gateway.tenant(), await two.gateway.tenant()
    await two.move(other)
    await other.bought()
    async with open_gateway(account_keys=encrypting("k2"), teli_base_url=two.taps[0].url) as gateway:
        await gateway.services.upstreams.refresh()
        mine, theirs = Tenant(gateway.http, tenant.id, tenant.key), Tenant(gateway.http, other.id, other.key)

        await mine.bought()
        refused = await theirs.buy()
        problem(refused, 503, "upstream_unavailable")

        assert "retry-after" in refused.headers
        ready = (await gateway.http.get("/readyz")).json()
        assert (ready["status"], ready["accounts"]) == ("degraded", "partly_out_of_service")
        assert (await gateway.admin.get(f"{ACCOUNTS}/{two.account_id}")).json()["in_service"] is False
        assert await two.sold() == (1, 1)
        assert await gateway.sql(
            "SELECT state, decision FROM intents WHERE tenant_id = :id AND state <> 'owned'", id=other.id
        ) == [("refused", "never_sent")]


async def test_a_key_that_teli_refuses_is_told_wherever_an_account_is_looked_at(gateway: Gateway):
    async def heard() -> tuple[dict[str, Any], dict[str, Any]]:
        """The account, and how ready the gateway is, once what Teli said is known to every process."""
        await gateway.services.upstreams.follow()
        await gateway.services.version.look()
        await gateway.services.upstreams.follow()
        [account] = (await gateway.admin.get(ACCOUNTS)).json()["items"]
        return account, (await gateway.http.get("/readyz")).json()

    sync = "/v1/admin/organizations/sync"
    await gateway.teli.arm("unauthorized", operation="organization_list")
    told = problem(await gateway.admin.send("POST", sync), 503, "upstream_unavailable")
    assert "Teli refuses the key of the account default (401)" in told["detail"]
    account, ready = await heard()
    assert (account["in_service"], account["key_refused_at"] is None) == (False, False)
    assert (ready["status"], ready["accounts"]) == ("degraded", "key_refused")

    assert (await gateway.admin.send("POST", sync)).status_code == 200
    account, ready = await heard()
    assert (account["in_service"], account["key_refused_at"]) == (True, None)
    assert (ready["status"], ready["accounts"]) == ("ready", "ok")


async def test_an_account_says_until_when_it_rests(gateway: Gateway):
    [account] = (await gateway.admin.get(ACCOUNTS)).json()["items"]
    assert account["rests_until"] is None
    await gateway.sql(
        "INSERT INTO account_flow (account_id, rests_until, opened) SELECT id, '2030-01-01Z', 1 FROM accounts"
    )
    [account] = (await gateway.admin.get(ACCOUNTS)).json()["items"]
    assert (account["rests_until"], account["in_service"]) == ("2030-01-01T00:00:00Z", True)


async def test_a_key_that_replaces_one_that_was_refused_is_in_service_until_teli_says_otherwise(two: Two):
    gateway = two.gateway
    await gateway.sql("UPDATE accounts SET key_refused_at = now() WHERE name = 'other'")

    answer = await gateway.admin.send("PUT", f"{ACCOUNTS}/{two.account_id}/key", json={"key": NEXT_KEY})

    assert (answer.json()["in_service"], answer.json()["key_refused_at"]) == (True, None)


async def test_reencrypting_leaves_every_key_to_the_first_and_may_be_repeated(two: Two, open_gateway: OpenGateway):
    tenant = await two.gateway.tenant()
    await two.move(tenant)
    async with open_gateway(account_keys=encrypting("k2", "k1"), teli_base_url=two.taps[0].url) as gateway:
        first = await gateway.services.accounts.reencrypt(AUTHOR)
        again = await gateway.services.accounts.reencrypt(AUTHOR)
    assert [(one.anew, one.before, one.not_opened) for one in (first, again)] == [(1, 0, ()), (0, 1, ())]
    async with open_gateway(account_keys=encrypting("k2"), teli_base_url=two.taps[0].url) as gateway:
        await gateway.services.upstreams.refresh()
        await Tenant(gateway.http, tenant.id, tenant.key).bought()
        await gateway.services.upstreams.close()
    async with open_gateway(account_keys=encrypting("k3"), teli_base_url=two.taps[0].url) as gateway:
        [why] = (await gateway.services.accounts.reencrypt(AUTHOR)).not_opened
    assert why == "other: the key k2 that it is encrypted with is not here"
    assert await two.gateway.sql("SELECT before, after FROM audit WHERE action = 'account.reencrypted'") == [
        ({"encrypted_with": "k1"}, {"encrypted_with": "k2"})
    ]


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE accounts SET base_url = 'https://evil.example' WHERE name = 'other'",
        "UPDATE account_keys o SET sealed = k.sealed FROM account_keys k WHERE k.account_id <> o.account_id",
        "UPDATE account_keys SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)",
    ],
    ids=["moved", "copied", "changed"],
)
async def test_a_row_that_was_tampered_with_does_not_open(two: Two, database_url: str, tampering: str):
    gateway = two.gateway
    third = await gateway.admin.send("POST", ACCOUNTS, json=wanted("https://third.example", name="third"))
    assert third.status_code == 201, third.text
    tenant = await gateway.tenant()
    await two.move(tenant)
    await as_superuser(database_url, tampering)
    for services in (gateway.services, gateway.worker):
        await services.upstreams.refresh()

    problem(await tenant.buy(), 503, "upstream_unavailable")

    assert "other" in gateway.services.upstreams.out_of_service
    assert await two.sold() == (0, 0)


async def as_superuser(database_url: str, statement: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_a_key_goes_in_and_never_comes_out(two: Two):
    gateway = two.gateway
    await gateway.admin.send("PUT", f"{ACCOUNTS}/{two.account_id}", json={"name": "renamed", "key": NEXT_KEY})
    shown = [
        await gateway.admin.get(ACCOUNTS),
        await gateway.admin.get(f"{ACCOUNTS}/{two.account_id}"),
        await gateway.admin.send("PUT", f"{ACCOUNTS}/{two.account_id}/key", json={"key": OTHER_KEY}),
        await gateway.admin.send("PUT", f"{ACCOUNTS}/{two.account_id}/key", json={"key": f"{OTHER_KEY} {NEXT_KEY}"}),
        await gateway.admin.send("POST", ACCOUNTS, json=wanted("http://elsewhere.example")),
    ]
    assert [answer.status_code for answer in shown] == [200, 200, 200, 400, 400]
    told = " ".join(answer.text for answer in shown)
    for table in ("audit", "account_keys", "idempotency_keys", "accounts"):
        told += str(await gateway.sql(f"SELECT t::text FROM {table} t"))
    assert OTHER_KEY not in told
    assert NEXT_KEY not in told
    held = shown[2].json()["key"]
    assert (held["hint"], held["encrypted_with"]) == (OTHER_KEY[-4:], "k1")
    actions = await gateway.sql(
        "SELECT action FROM audit WHERE object_kind = 'account' AND actor LIKE 'key:%' ORDER BY id"
    )
    assert [action for (action,) in actions] == [
        "account.created", "account.put", "account.key_replaced", "account.key_replaced",
    ]  # fmt: skip


async def test_what_cannot_be_done_with_an_account_is_refused_and_names_the_mend(two: Two, open_gateway: OpenGateway):
    gateway, admin = two.gateway, two.gateway.admin
    [(default,)] = await gateway.sql("SELECT id::text FROM accounts WHERE name = :name", name=DEFAULT)
    path, origin = f"{ACCOUNTS}/{two.account_id}", two.taps[1].url
    unknown = "01a2093a-4c1e-7c02-8d35-2b6f0a9d1e44"
    for method, to, body, status, code, word in (
        ("PUT", path, {"base_url": "https://moved.example"}, 400, "invalid_request", "/key"),
        ("PUT", path, {"base_url": None}, 400, "invalid_request", "/base_url"),
        ("PUT", path, {"base_url": "http://plain.example"}, 400, "invalid_request", "https"),
        ("PUT", path, {"colour": 1}, 400, "invalid_request", "/colour"),
        ("PUT", f"{ACCOUNTS}/{default}/key", {"key": NEXT_KEY}, 409, "state_conflict", "TELI_API_KEY"),
        ("PUT", f"{ACCOUNTS}/{unknown}/key", {"key": NEXT_KEY}, 404, "not_found", ""),
        ("POST", ACCOUNTS, wanted(), 409, "state_conflict", "other"),
        ("POST", ACCOUNTS, wanted(origin, name="third"), 409, "state_conflict", "same tenant"),
        ("POST", ACCOUNTS, wanted(key="short"), 400, "invalid_request", "/key"),
        ("PUT", "/v1/admin/tenants/t", {"account_id": unknown}, 400, "invalid_request", "/account_id"),
        ("PUT", f"/v1/admin/organizations/{ORGANIZATION}", {"account_id": unknown}, 400, "invalid_request", "account"),
    ):
        answer = await admin.send(method, to, json=body)
        problem(answer, status, code)
        assert word in answer.text, to
        assert NEXT_KEY not in answer.text
    async with open_gateway(account_keys=None) as without:
        answer = await without.admin.send("POST", ACCOUNTS, json=wanted("https://third.example", name="third"))
        problem(answer, 409, "state_conflict")
        assert "NUMBERGATE_ACCOUNT_KEYS" in answer.text
    assert await gateway.sql("SELECT count(*) FROM accounts") == [(2,)]
    problem(await gateway.operator.get(ACCOUNTS), 403, "scope_missing")


async def test_beside_live_keys_no_account_points_at_this_machine(gateway: Gateway):
    filed = await gateway.admin.send("POST", ACCOUNTS, json=wanted())
    assert filed.status_code == 201, filed.text
    for url in ("http://127.0.0.1:8080", "HTTP://localhost", "http://[::1]:1"):
        for answer in (
            await gateway.admin.send("POST", ACCOUNTS, json=wanted(url, name="third")),
            await gateway.admin.send(
                "PUT", f"{ACCOUNTS}/{filed.json()['id']}", json={"base_url": url, "key": NEXT_KEY}
            ),
        ):
            told = problem(answer, 400, "invalid_request", about=url)
            assert [one["pointer"] for one in told["errors"]] == ["/base_url"]
    assert await gateway.sql("SELECT base_url FROM accounts WHERE name <> 'default'") == [("https://teli.example",)]


async def test_an_account_is_filed_once_however_often_its_request_is_sent(two: Two):
    headers = {"Idempotency-Key": "third"}
    body = wanted("https://third.example", name="third")
    answers = [await two.gateway.admin.send("POST", ACCOUNTS, json=body, headers=headers) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotent-replayed"] == "true"
    page = (await two.gateway.admin.get(f"{ACCOUNTS}?limit=2")).json()
    rest = (await two.gateway.admin.get(f"{ACCOUNTS}?limit=2&cursor={page['next_cursor']}")).json()
    assert [one["name"] for one in (*page["items"], *rest["items"])] == [DEFAULT, "other", "third"]
    assert page["total"] == {"value": 3, "exact": True}


async def test_whoever_neither_opens_nor_administers_accounts_reads_no_ciphertext(two: Two):
    api, worker = two.gateway.services.database, two.gateway.worker.database
    query = text("SELECT count(*) FROM account_keys")
    for duty, seen in (("service", 0), ("operator", 0), ("finance", 0), ("upstream", 1), ("admin", 1)):
        async with api.acting(duty=duty, sees=("*",)) as session:
            assert await session.scalar(query) == seen, duty
    for database, duty in ((api, "upstream"), (api, "operator"), (worker, "service")):
        changed = 0
        try:
            async with database.acting(duty=duty) as session:
                changed = len((await session.execute(text("UPDATE account_keys SET hint = '' RETURNING 1"))).all())
        except ProgrammingError:
            pass
        assert changed == 0, duty
    granted = await two.gateway.sql("SELECT has_table_privilege('numbergate_finance', 'account_keys', 'SELECT')")
    assert granted == [(False,)]


async def test_a_process_of_the_version_before_buys_through_no_other_account(two: Two):
    tenant = await two.gateway.tenant()
    await two.move(tenant)
    async with two.gateway.services.database.hot() as call:
        said = await call(
            "admit",
            {
                "tenant_id": tenant.id, "organization_id": ORGANIZATION, "user_id": USER, "key": None,
                "fingerprint": "00", "intent_id": two.account_id,
            },
        )  # fmt: skip
    assert said == {"outcome": "not_listed"}
