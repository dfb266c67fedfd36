"""Who gets in, with which key, for how long."""

import asyncio
import hashlib
import random
import re
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.db import open_database
from service.kit.clock import utc_now
from service.kit.crypto import Secret
from service.kit.errors import StorageUnavailable
from service.tenants import auth
from service.tenants.administration import KEY_SCOPES, STAFF_SCOPES, TENANT_SCOPES
from service.tenants.keys import ALPHABET, InvalidKey, RevokedKey, check_form, checksum, make_key
from service.tenants.principals import NO_SUCH_KEY, STRANGERS_AT_ONCE, Principals, Refusal
from service.tenants.version import EVERY, STALE_AFTER, VersionWatch
from tests.conftest import OpenGateway
from tests.http.refusals import nothing_happens, pointers, problem
from tests.support.gateway import AUTHOR, CREATE, ORGANIZATION, USER, Gateway, Tenant

LIST = f"/v1/voice/phone-numbers?user_id={USER}&organization_id={ORGANIZATION}"
# What an operation asks of its caller.
HOLDING = re.compile(r"(?:holding|may|need)\(([^()]*)\)")
KEYS = "/v1/admin/tenants/{}/keys"


async def issue(gateway: Gateway, tenant: Tenant, **fields: Any) -> dict[str, Any]:
    """A further key of the tenant, over REST."""
    body = {"name": "further", "scopes": ["numbers:read"], **fields}
    answer = await gateway.admin.send("POST", KEYS.format(tenant.id), json=body)
    assert answer.status_code == 201, answer.text
    issued: dict[str, Any] = answer.json()
    return issued


async def listing(gateway: Gateway, key: str) -> tuple[int, str | None]:
    """What a listing with this key answers: its status and, where it is refused, its code."""
    answer = await gateway.http.get(LIST, headers={"X-API-Key": key})
    return answer.status_code, answer.json().get("code")


async def until_refused(gateway: Gateway, key: str, code: str) -> float:
    """Seconds until the key is refused with this code."""
    began = time.monotonic()
    async with asyncio.timeout(5):
        while await listing(gateway, key) != (401, code):
            await asyncio.sleep(0.02)
    return time.monotonic() - began


async def test_a_key_may_be_sent_in_either_spelling_or_in_both(gateway: Gateway, tenant: Tenant):
    for headers in (
        {"X-API-Key": tenant.key},
        {"Authorization": f"Bearer {tenant.key}"},
        {"Authorization": f"bearer   {tenant.key} "},
        {"X-API-Key": tenant.key, "Authorization": f"BEARER {tenant.key}"},
        {"X-API-Key": tenant.key, "Authorization": ""},
    ):
        assert (await gateway.http.get(LIST, headers=headers)).status_code == 200, headers


async def test_two_different_keys_are_refused_whichever_is_good(gateway: Gateway, tenant: Tenant):
    other = await gateway.tenant()
    for one, two in ((tenant.key, other.key), (tenant.key, "x"), ("x", tenant.key)):
        headers = {"X-API-Key": one, "Authorization": f"Bearer {two}"}
        problem(await gateway.http.get(LIST, headers=headers), 400, "invalid_request")


async def test_a_credential_of_another_scheme_beside_a_key_is_refused_whichever_is_good(
    gateway: Gateway, tenant: Tenant
):
    for key in (tenant.key, "x"):
        for other in ("Basic aHVudGVyMjo=", "Digest x", f"Basic {tenant.key}", tenant.key):
            answer = await gateway.http.get(LIST, headers={"X-API-Key": key, "Authorization": other})
            assert pointers(problem(answer, 400, "invalid_request", about=other)) == {"Authorization"}


async def test_a_credential_that_comes_twice_is_refused_whichever_is_good(gateway: Gateway, tenant: Tenant):
    good, bad = tenant.key, make_key("live")
    for name, one, other in (
        ("X-API-Key", good, good), ("X-API-Key", good, bad), ("X-API-Key", bad, good),
        ("Authorization", f"Bearer {good}", f"Bearer {good}"), ("Authorization", "Basic eA==", f"Bearer {good}"),
    ):  # fmt: skip
        for path in (LIST, "/v1/numbers", "/v1/quotas?x=1", "/v1/operations/x"):
            answer = await gateway.http.get(path, headers=[(name, one), (name, other)])
            told = problem(answer, 400, "invalid_request", about=f"{name} {path}")
            assert told["errors"] == [{"pointer": name.lower(), "detail": "is given twice; which is meant?"}]
        created = await gateway.http.post(CREATE, headers=[(name, one), (name, other)], json={"area_code": "313"})
        problem(created, 400, "invalid_request")
    joined = await gateway.http.get(LIST, headers={"X-API-Key": f"{good}, {good}"})
    problem(joined, 401, "invalid_key")


def test_the_page_of_keys_tells_every_scope_that_a_key_can_hold_or_an_operation_needs():
    page = (Path(__file__).parents[2] / "docs" / "keys.md").read_text()
    [table] = re.findall(r"^\| Scope \|.*?^$", page, re.MULTILINE | re.DOTALL)
    told = {scope for row in table.splitlines()[2:] for scope in re.findall(r"`([a-z]+:[a-z*]+)`", row.split("|")[1])}
    needed = {
        scope for path in Path(auth.__file__).parents[1].rglob("*.py") for scope in HOLDING.findall(path.read_text())
    }
    needed = {scope for found in needed for scope in re.findall(r"[a-z]+:[a-z]+", found)}
    assert {"numbers:create", "operator:write", "admin:write"} <= needed
    assert told == {*KEY_SCOPES, *needed}
    assert {scope for scopes in STAFF_SCOPES.values() for scope in scopes} | set(TENANT_SCOPES) <= set(KEY_SCOPES)


async def test_a_wildcard_is_every_scope_of_its_kind_and_of_no_other(gateway: Gateway):
    administrator = await gateway.services.principals.of(gateway.admin.key)
    assert administrator.may("admin:read")
    assert administrator.may("admin:write")
    for scope in ("operator:write", "numbers:create", "billing:read", "administrators:read", "adm:read"):
        assert not administrator.may(scope), scope


async def test_an_unknown_key_of_the_right_form_is_invalid(gateway: Gateway):
    assert await listing(gateway, make_key("live")) == (401, "invalid_key")


async def test_a_mistyped_key_is_told_so_without_asking_the_database(gateway: Gateway, tenant: Tenant):
    key, database = tenant.key, gateway.services.database
    edits = {key[:place] + other + key[place + 1 :] for place in range(len(key)) for other in ALPHABET + "_-. "}
    edits |= {key[:place] + key[place + 1 :] for place in range(len(key))}
    edits |= {key[:place] + key[place + 1] + key[place] + key[place + 2 :] for place in range(len(key) - 1)}
    edits |= {key[:place] + other + key[place:] for place in range(len(key) + 1) for other in "0Aa"}
    edits -= {key}
    assert len(edits) > 3000

    # Nothing here waits for anything, so no other task can ask the database meanwhile.
    before = database.round_trips
    for edit in edits:
        with pytest.raises(InvalidKey):
            await gateway.services.principals.of(edit)
    assert database.round_trips == before


EDITABLE = "".join(map(chr, range(33, 127)))


@given(st.integers(), st.sampled_from(("live", "demo", "ab", "abcdefgh")), st.integers(0, 200), st.characters())
def test_every_edit_of_one_character_of_any_key_is_refused_by_its_form_alone(
    chance: int, environment: str, place: int, stranger: str
):
    """CRC-32 tells each burst of up to 32 bits; where one is put in or left out, the length tells, or chance does."""
    draw = random.Random(chance)
    head = f"ngk_{environment}_" + "".join(draw.choice(ALPHABET) for _ in range(32))
    key = head + checksum(head)
    check_form(key)
    place %= len(key)
    before, after = key[:place], key[place + 1 :]
    edits = {before + other + after for other in EDITABLE + stranger}
    edits |= {before + other + key[place:] for other in EDITABLE + stranger}
    edits |= {before + after, key + stranger}
    for edit in edits - {key}:
        with pytest.raises(InvalidKey):
            check_form(edit)


@pytest.mark.parametrize("key", ["x" * 10_000, "ngk_live_", "NGK_live_" + "0" * 38, "ngk_live_" + "é" * 38, "§", "ngk"])
async def test_what_is_no_key_is_refused_in_a_few_words(gateway: Gateway, key: str):
    answer = await gateway.http.get(LIST, headers=[(b"X-API-Key", key.encode())])
    problem(answer, 401, "invalid_key")
    assert len(answer.content) < 1000


def test_the_checksum_is_over_everything_before_it():
    key = make_key("live")
    assert key[-6:] == checksum(key[:-6])
    assert checksum("") == "000000"
    assert len({make_key("live") for _ in range(1000)}) == 1000


async def test_a_key_ends_at_its_time_also_where_it_is_cached(gateway: Gateway, tenant: Tenant):
    ends = utc_now() + timedelta(seconds=0.6)
    key = await gateway.services.administration.issue_key(
        AUTHOR, tenant.id, name="short", scopes=["numbers:read"], expires_at=ends
    )
    while utc_now() < ends - timedelta(seconds=0.1):
        assert await listing(gateway, key.key) == (200, None)
    await asyncio.sleep(max(0.0, (ends - utc_now()).total_seconds()))
    assert await listing(gateway, key.key) == (401, "expired_key")


async def test_a_revoked_key_is_refused_within_a_second_on_another_replica(open_gateway: OpenGateway):
    async with open_gateway() as one, open_gateway() as two:
        tenant = await one.tenant()
        issued = await issue(one, tenant)
        assert await listing(one, issued["key"]) == await listing(two, issued["key"]) == (200, None)

        revoked = await one.admin.send("DELETE", f"/v1/admin/keys/{issued['id']}")

        assert (revoked.status_code, revoked.content) == (204, b"")
        assert await until_refused(two, issued["key"], "revoked_key") < 1
        assert await listing(two, tenant.key) == (200, None), "other keys go on"
        again = await one.admin.send("DELETE", f"/v1/admin/keys/{issued['id']}")
        assert again.status_code == 204, "revoking again changes nothing"
        problem(await one.admin.send("POST", f"/v1/admin/keys/{issued['id']}/rotate", json={}), 404, "not_found")


async def test_without_redis_a_revoked_key_is_not_believed_for_a_second_more(open_gateway: OpenGateway):
    """Told in looks at the version row and not in seconds: each replica looks twice in one, or stops believing."""
    async with open_gateway(redis_url="redis://127.0.0.1:1") as one:
        tenant = await one.tenant()
        watches = [VersionWatch(one.services.database) for _ in range(2)]
        secret = Secret(one.settings.secret.get_secret_value())
        looking, stuck = (Principals(one.services.database, secret, watch) for watch in watches)
        issued = await issue(one, tenant)
        for watch, principals in zip(watches, (looking, stuck), strict=True):
            await watch.look()
            assert await principals.of(issued["key"]) is await principals.of(issued["key"]), "it is believed"

        assert (await one.admin.send("DELETE", f"/v1/admin/keys/{issued['id']}")).status_code == 204

        await watches[0].look()
        watches[1]._looked -= STALE_AFTER  # As a second later, had no look succeeded since.
        for principals in (looking, stuck):
            with pytest.raises(RevokedKey):
                await principals.of(issued["key"])
        assert EVERY < STALE_AFTER <= 1


async def test_a_refused_key_is_looked_up_once_and_drives_out_no_good_one(gateway: Gateway, tenant: Tenant):
    database, principals = gateway.services.database, gateway.services.principals
    await gateway.services.version.look()
    known, unknown = await principals.of(tenant.key), make_key("live")
    for key in (unknown, *(make_key("live") for _ in range(3))):
        with pytest.raises(InvalidKey):
            await principals.of(key)
    await gateway.services.version.look()
    before = database.round_trips
    assert await principals.of(tenant.key) is known
    for _ in range(3):
        with pytest.raises(InvalidKey, match="There is no such key"):
            await principals.of(unknown)
    assert database.round_trips == before


async def test_whoever_was_good_a_moment_ago_waits_for_no_stranger(
    gateway: Gateway, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
):
    principals, gate, asked = gateway.services.principals, asyncio.Event(), 0

    async def look_up() -> Refusal:
        nonlocal asked
        asked += 1
        await gate.wait()
        return NO_SUCH_KEY

    await principals.of(tenant.key)
    strangers = [asyncio.create_task(principals.remembered(b"%d" % number, look_up)) for number in range(50)]
    await asyncio.sleep(0)
    await gateway.sql("UPDATE version SET revision = revision + 1")
    await gateway.services.version.look()

    assert await listing(gateway, tenant.key) == (200, None), "it is looked up anew, and at once"

    assert asked == STRANGERS_AT_ONCE
    monkeypatch.setattr("service.tenants.principals.TURN_WITHIN", 0.0)
    with pytest.raises(StorageUnavailable):
        await principals.remembered(b"late", look_up)
    gate.set()
    refused = await asyncio.gather(*strangers, return_exceptions=True)
    assert {type(one) for one in refused} == {InvalidKey}


async def test_strangers_take_few_of_the_connections(gateway: Gateway, tenant: Tenant, database_url: str):
    await tenant.bought()
    connection = await asyncpg.connect(database_url)
    async with connection.transaction():
        await connection.execute("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE")  # So each look-up takes its time.
        strangers = [asyncio.create_task(listing(gateway, make_key("live"))) for _ in range(50)]
        while gateway.services.database.engine.pool.checkedout() < STRANGERS_AT_ONCE:  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)

        await asyncio.gather(*(gateway.services.database.ping() for _ in range(10)))

        assert not any(one.done() for one in strangers)
    await connection.close()
    assert set(await asyncio.gather(*strangers)) == {(401, "invalid_key")}


async def test_a_rotated_key_works_beside_its_successor_and_then_ends(gateway: Gateway, tenant: Tenant):
    old = await issue(gateway, tenant, scopes=["numbers:read", "inventory:org"])

    answer = await gateway.admin.send("POST", f"/v1/admin/keys/{old['id']}/rotate", json={"overlap_seconds": 1})

    new = answer.json()
    assert answer.status_code == 201
    assert new["key"] != old["key"]
    assert new["scopes"] == old["scopes"]
    assert await listing(gateway, old["key"]) == await listing(gateway, new["key"]) == (200, None)
    assert 0.5 < await until_refused(gateway, old["key"], "expired_key") < 2
    assert await listing(gateway, new["key"]) == (200, None)


async def test_a_key_that_is_revoked_after_its_overlap_is_told_that_it_was_revoked(gateway: Gateway, tenant: Tenant):
    old = await issue(gateway, tenant)
    await gateway.admin.send("POST", f"/v1/admin/keys/{old['id']}/rotate", json={"overlap_seconds": 0})
    await until_refused(gateway, old["key"], "expired_key")
    told = (await tenant.http.get("/v1/numbers", headers={"X-API-Key": old["key"]})).json()
    assert "was rotated and its overlap is over" in told["detail"]

    assert (await gateway.admin.send("DELETE", f"/v1/admin/keys/{old['id']}")).status_code == 204

    await until_refused(gateway, old["key"], "revoked_key")


async def test_a_key_is_rotated_without_a_body_with_an_overlap_of_an_hour(gateway: Gateway, tenant: Tenant):
    old = await issue(gateway, tenant)
    answer = await gateway.admin.send("POST", f"/v1/admin/keys/{old['id']}/rotate")
    assert answer.status_code == 201, answer.text
    [[hour]] = await gateway.sql(
        "SELECT expires_at - now() BETWEEN interval '59 min' AND interval '61 min' FROM api_keys WHERE id = :id",
        id=old["id"],
    )
    assert hour
    assert await listing(gateway, old["key"]) == await listing(gateway, answer.json()["key"]) == (200, None)


async def test_a_rotation_never_lengthens_a_life(gateway: Gateway, tenant: Tenant):
    ends = (utc_now() + timedelta(seconds=30)).isoformat()
    old = await issue(gateway, tenant, expires_at=ends)
    answer = await gateway.admin.send("POST", f"/v1/admin/keys/{old['id']}/rotate", json={"overlap_seconds": 3600})
    assert answer.json()["expires_at"] == old["expires_at"]
    [[still]] = await gateway.sql(
        "SELECT expires_at < now() + interval '31 s' FROM api_keys WHERE id = :id", id=old["id"]
    )
    assert still


async def test_a_key_is_shown_once_and_only_its_keyed_hash_is_kept(gateway: Gateway, tenant: Tenant):
    issued = await issue(gateway, tenant)
    key = issued["key"]
    await listing(gateway, key)

    tables = await gateway.sql(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    kept = [str(row) for [table] in tables for row in await gateway.sql(f"SELECT t::text FROM {table} t")]

    assert any(issued["id"] in row for row in kept)
    bare = [hashlib.new(name, key.encode()).hexdigest() for name in ("sha256", "sha1", "md5", "sha512")]
    for secret in (key, key.split("_")[2][:16], *bare):
        assert not any(secret in row for row in kept), secret
    [[hint]] = await gateway.sql("SELECT hint FROM api_keys WHERE id = :id", id=issued["id"])
    assert hint == key[-4:]


async def test_the_hash_depends_on_the_deployments_secret(gateway: Gateway, tenant: Tenant):
    elsewhere = Principals(gateway.services.database, Secret("another secret"), gateway.services.version)
    with pytest.raises(InvalidKey):
        await elsewhere.of(tenant.key)


async def test_a_cached_principal_costs_no_round_trip_while_the_version_row_is_read(
    gateway: Gateway, tenant: Tenant, database_url: str
):
    database = open_database(database_url, "numbergate_api", pool=2)
    watch = VersionWatch(database)
    principals = Principals(database, Secret(gateway.settings.secret.get_secret_value()), watch)
    try:
        await watch.look()
        known = await principals.of(tenant.key)
        before = database.round_trips
        assert await principals.of(tenant.key) is known
        assert database.round_trips == before

        await asyncio.sleep(1.05)  # Nobody looks at the version row any more.
        assert not watch.fresh
        for _ in range(2):
            assert await principals.of(tenant.key) == known
        assert database.round_trips == before + 4, "each asks: who am I, and whose key is this"
    finally:
        await database.engine.dispose()


async def test_without_postgres_no_key_is_taken_on_trust(gateway: Gateway, tenant: Tenant):
    database = open_database("postgresql://nobody@127.0.0.1:1/none", "numbergate_api", pool=2)
    try:
        watch = VersionWatch(database)
        principals = Principals(database, Secret("x"), watch)
        with pytest.raises(Exception, match="ledger does not answer"):
            await principals.of(tenant.key)
    finally:
        await database.engine.dispose()


async def test_a_key_of_a_closed_tenant_is_no_key(gateway: Gateway, tenant: Tenant):
    assert await listing(gateway, tenant.key) == (200, None)
    await gateway.sql("UPDATE tenants SET state = 'closed' WHERE id = :id", id=tenant.id)
    await gateway.sql("UPDATE version SET revision = revision + 1")
    assert await until_refused(gateway, tenant.key, "invalid_key") < 1


async def test_a_grant_taken_away_is_felt_within_a_second(gateway: Gateway, tenant: Tenant):
    assert await listing(gateway, tenant.key) == (200, None)
    answer = await gateway.admin.send("PUT", f"/v1/admin/tenants/{tenant.id}", json={"organization_ids": []})
    assert answer.status_code == 200
    await asyncio.sleep(1)
    async with nothing_happens(gateway):
        assert await listing(gateway, tenant.key) == (403, "not_your_organization")
        problem(await tenant.buy(), 403, "not_your_organization")


async def test_keys_of_nobody_are_not_found(gateway: Gateway):
    for method, path in (("DELETE", f"/v1/admin/keys/{uuid4()}"), ("POST", f"/v1/admin/keys/{uuid4()}/rotate")):
        problem(await gateway.admin.send(method, path, json={}), 404, "not_found")
    body = {"name": "K", "scopes": ["numbers:read"]}
    problem(await gateway.admin.send("POST", KEYS.format("nobody"), json=body), 404, "not_found")


async def test_a_key_of_staff_is_not_handed_to_whoever_rotates_it(gateway: Gateway):
    operators = (await gateway.admin.get("/v1/admin/keys", params={"kind": "operator"})).json()["items"]

    answer = await gateway.admin.send("POST", f"/v1/admin/keys/{operators[0]['id']}/rotate", json={})

    assert "numbergate keys create-operator" in problem(answer, 409, "state_conflict")["detail"]
    assert (await gateway.admin.get("/v1/admin/keys", params={"kind": "operator"})).json()["items"] == operators
    assert (await gateway.operator.get("/v1/admin/doubts")).status_code == 200


async def test_who_waits_long_is_told_when_its_key_is_revoked(gateway: Gateway, tenant: Tenant):
    await gateway.teli.arm("server_error", operation="create", step="recorded")
    doubt = (await tenant.buy(key="k", prefer="wait=0")).json()
    feed = (await tenant.get("/v1/events", params={"limit": 1000})).json()["next_cursor"]
    waiting = [
        asyncio.create_task(tenant.get(path, params=params))
        for path, params in (
            ("/v1/events", {"wait": 30, "cursor": feed, "type": "order.*"}),
            (f"/v1/operations/{doubt['operation_id']}", {"wait": 30}),
        )
    ]
    await asyncio.sleep(0.5)
    assert not any(one.done() for one in waiting), [one.result().text for one in waiting if one.done()]
    [[key]] = await gateway.sql("SELECT id::text FROM api_keys WHERE tenant_id = :id", id=tenant.id)
    assert (await gateway.admin.send("DELETE", f"/v1/admin/keys/{key}")).status_code == 204
    await gateway.services.version.look()
    async with asyncio.timeout(10):
        for answer in await asyncio.gather(*waiting):
            problem(answer, 401, "revoked_key")
