"""People log in with a real provider, and act by the roles of their groups."""

import json
from asyncio import gather
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from service.tenants import identity_provider
from service.tenants.keys import ExpiredKey
from service.tenants.sessions import PREFIX
from service.tenants.version import bump
from tests.conftest import OpenGateway
from tests.http.refusals import nothing_happens, pointers, problem
from tests.support.gateway import NUMBERS, ORGANIZATION, USER, Gateway
from tests.support.identity_provider import PUBLIC_URL, Browser, Provider
from tests.tenants.test_isolation import as_role, refused
from tests.tenants.test_jwt import part

ROLES = {
    "gate-admins": "admin",
    "detroit": {"role": "admin", "organization_ids": [ORGANIZATION]},
    "accounting": "finance",
    "operations": "operator",
    "revision": "auditor",
}
SESSION, LOGIN = "__Host-numbergate_session", "__Host-numbergate_login"


def trusting(provider: Provider) -> dict[str, Any]:
    """The settings of a gateway where its people log in."""
    return {
        "oidc_issuer": provider.issuer,
        "oidc_client_id": "numbergate",
        "oidc_client_secret": "a secret of the tests",
        "oidc_roles": json.dumps(ROLES),
        "public_url": PUBLIC_URL,
        "key_environment": "test",
        "token_issuers": provider.issuer,
        "token_audience": "numbergate-api",
        "token_scopes": "numbers:create numbers:read inventory:org",
    }


@pytest.fixture
async def door(open_gateway: OpenGateway, provider: Provider) -> AsyncIterator[Gateway]:
    async with open_gateway(**trusting(provider)) as gateway:
        yield gateway


@pytest.fixture
async def browser(door: Gateway, provider: Provider) -> Browser:
    return Browser(door, provider)


async def sessions(gateway: Gateway) -> int:
    [[count]] = await gateway.sql("SELECT count(*) FROM sessions")
    return int(count)


async def test_each_role_may_do_what_it_is_for_and_no_more(door: Gateway, provider: Provider):
    tenant = await door.tenant()
    await tenant.bought()
    tenants, doubts = "/v1/admin/tenants", "/v1/admin/doubts"
    stop = {"scope": "tenant", "id": tenant.id, "reason": "a drill"}
    expected = {
        #                tenants, doubts, numbers, a new organisation, a stop
        "gate-admins": (200, 200, 1, 200, 200),
        "detroit": (403, 403, 1, 403, 403),
        "accounting": (403, 403, None, 403, 403),
        "operations": (403, 200, 1, 403, 200),
        "revision": (200, 200, 1, 403, 403),
    }
    for group, (lists, looks, sees, puts, stops) in expected.items():
        provider.person(group, groups=[group, "something else"])
        browser = Browser(door, provider)
        arrived = await browser.log_in(group)
        assert (arrived.status_code, arrived.headers["location"]) == (303, "/console"), arrived.text
        me = await browser.me()
        assert (me["kind"], me["subject"]) == ("person", f"person:{provider.issuer}|{group}")
        assert me["sees"] == ([ORGANIZATION] if group == "detroit" else ["*"]), group
        assert (await browser.http.get(tenants)).status_code == lists, group
        assert (await browser.http.get(doubts)).status_code == looks, group
        seen = await browser.http.get("/v1/numbers")
        assert len(seen.json().get("items", [])) == sees if sees else seen.status_code == 403, group
        put = await browser.change("PUT", "/v1/admin/organizations/north", json={"name": group})
        assert put.status_code == puts, f"{group} {put.text}"
        assert (await browser.change("POST", "/v1/admin/stop", json=stop)).status_code == stops, group
        bought = await browser.change("POST", f"{NUMBERS}/create", json={"area_code": "313", "user_id": USER})
        problem(bought, 403, "scope_missing")

        if group == "revision":
            for path in ("stops", "deployment/quotas", f"tenants/{tenant.id}/quotas"):
                assert (await browser.http.get(f"/v1/admin/{path}")).status_code == 200, path
            limits = await browser.change("PUT", f"/v1/admin/tenants/{tenant.id}/quotas", json={"numbers_held": 1})
            problem(limits, 403, "scope_missing")

    authors = await door.sql(
        "SELECT DISTINCT actor FROM audit WHERE action = 'organization.put' AND object_id = 'north'"
    )
    assert authors == [(f"person:{provider.issuer}|gate-admins",)]


async def test_an_administrator_of_one_organisation_sees_no_other(door: Gateway, provider: Provider):
    tenant = await door.tenant()
    bought = await tenant.bought()
    await door.sql("UPDATE numbers SET organization_id = 'elsewhere'")
    provider.person("dora", groups=["detroit", "accounting"])
    browser = Browser(door, provider)
    await browser.log_in("dora")

    me = await browser.me()

    assert (me["roles"], me["sees"]) == (["admin", "finance"], [ORGANIZATION])
    assert (await browser.http.get("/v1/numbers")).json()["items"] == []
    problem(await browser.http.get("/v1/numbers?organization_id=elsewhere"), 403, "not_your_organization")
    problem(await browser.http.get(f"/v1/numbers/{bought['id']}"), 404, "not_found")
    whole = f"{NUMBERS}?user_id={USER}&organization_id=elsewhere&is_admin=true"
    problem(await browser.http.get(whole), 403, "not_your_organization")


async def test_the_cookies_are_for_this_host_alone_and_say_nothing(door: Gateway, provider: Provider):
    provider.person("ann", groups=["gate-admins"])
    browser = Browser(door, provider)
    answer = await browser.http.get("/console/login", params={"return_to": "/docs?a=b"})
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    arrived = await browser.http.get(provider.approve(answer.headers["location"], "ann"))

    assert query["code_challenge_method"] == ["S256"]
    assert len(query["code_challenge"][0]) == 43
    assert query["redirect_uri"] == [f"{PUBLIC_URL}/console/callback"]
    assert arrived.headers["location"] == "/docs?a=b"
    begun, [spent, session] = answer.headers["set-cookie"], arrived.headers.get_list("set-cookie")
    for cookie, name in ((begun, LOGIN), (spent, LOGIN), (session, SESSION)):
        assert cookie.startswith(f"{name}="), cookie
        for word in ("; HttpOnly", "; Path=/", "; SameSite=lax", "; Secure"):
            assert word in cookie, cookie
        assert "Domain" not in cookie
    for known in (query["state"][0], query["nonce"][0]):
        assert known not in begun, "it is sealed"
    value = session.partition("=")[2].partition(";")[0]
    assert value.startswith(PREFIX)
    kept = await door.sql("SELECT s::text FROM sessions s UNION ALL SELECT a::text FROM audit a")
    assert not any(value in row for [row] in kept)


FORGED: dict[str, tuple[dict[str, Any], str]] = {
    "another issuer": ({"iss": "https://evil.example"}, "was issued by somebody else"),
    "another audience": ({"aud": "another-client"}, "is meant for somebody else"),
    "two audiences, of another party": ({"aud": ["numbergate", "b"], "azp": "b"}, "is meant for somebody else"),
    "another nonce": ({"nonce": "of another login"}, "answers another login"),
    "no nonce": ({"nonce": None}, "answers another login"),
    "expired": ({"exp": 1_000_000_000}, "has expired"),
    "from the future": ({"iat": 4_000_000_000}, "was issued in the future; are the clocks right?"),
    "not good yet": ({"nbf": 4_000_000_000}, "is not good yet; are the clocks right?"),
    "another access token": ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "has a claim that is not as it should be: at_hash"),
}


async def test_what_does_not_prove_a_person_begins_no_session(door: Gateway, browser: Browser, provider: Provider):
    async with nothing_happens(door):
        for name, (claims, told) in FORGED.items():
            provider.person("mallory", groups=["gate-admins"], **claims)
            body = problem(await browser.log_in("mallory"), 401, "login_failed", about=name)
            assert told in body["detail"], f"{name}: {body['detail']}"

        provider.person("ann", groups=["gate-admins"])
        problem(await browser.log_in("ann", nonce="another"), 401, "login_failed")
        problem(await browser.log_in("ann", client_id="another-client"), 401, "login_failed")
        problem(await browser.log_in("ann", state="another"), 401, "login_failed")
        for query in ("", "?code=x", "?state=x&code=x", "?error=access_denied"):
            problem(await browser.http.get(f"/console/callback{query}"), 401, "login_failed", about=query)
        begun = parse_qs(urlsplit(await browser.begin()).query)["state"][0]
        for query in (f"state={begun}&error=access_denied", f"state={begun}", f"state={begun}&code=x&iss=https://a"):
            browser.http.cookies.clear()
            state = parse_qs(urlsplit(await browser.begin()).query)["state"][0]
            refused = await browser.http.get(f"/console/callback?{query.replace(begun, state)}")
            problem(refused, 401, "login_failed", about=query)
            assert f'{LOGIN}=""; ' in refused.headers["set-cookie"], "the login is spent"

        arrived = provider.approve(await browser.begin(), "ann")
        stranger = Browser(door, provider)
        await stranger.begin()
        problem(await stranger.http.get(arrived), 401, "login_failed", about="a code that another browser asked for")

        for name, groups in (("of no group", None), ("of others", ["x", 1, {}]), ("unreadable", {"a": 1})):
            provider.person("norman", groups=groups)
            problem(await browser.log_in("norman"), 403, "no_role", about=name)
        assert await sessions(door) == 0


async def test_a_login_is_answered_once_on_whichever_replica(open_gateway: OpenGateway, provider: Provider):
    provider.person("ann", groups=["gate-admins"])
    async with open_gateway(**trusting(provider)) as one, open_gateway(**trusting(provider)) as two:
        browser, copy = Browser(one, provider), Browser(two, provider)
        arrived = provider.approve(await browser.begin(), "ann")
        copy.http.cookies.update(browser.http.cookies)

        answers = [await browser.http.get(arrived), await copy.http.get(arrived)]

        assert answers[0].status_code == 303
        assert "was answered before" in problem(answers[1], 401, "login_failed")["detail"]
        arrived = provider.approve(await browser.begin(), "ann")
        copy.http.cookies.update(browser.http.cookies)
        at_once = await gather(*(each.http.get(arrived) for each in (browser, copy, browser, copy)))
        assert sorted(one.status_code for one in at_once) == [303, 401, 401, 401]
        assert await sessions(one) == 2
        kept = "SELECT hash FROM answered_logins"
        for database in (one.services.database, two.services.database):
            assert await refused(database, kept)
            assert await refused(database, "INSERT INTO answered_logins VALUES ('\\x00', clock_timestamp())")


async def test_an_address_with_too_many_failures_waits_before_the_provider_is_asked(
    open_gateway: OpenGateway, provider: Provider
):
    provider.person("ann", groups=["gate-admins"])
    provider.person("norman", groups=["others"])
    async with open_gateway(failed_authentications=3, **trusting(provider)) as gateway:
        tenant, browser = await gateway.tenant(), Browser(gateway, provider)
        problem(await browser.http.get("/console/callback?state=x&code=x"), 401, "login_failed")
        problem(await browser.log_in("ann", nonce="another"), 401, "login_failed")
        problem(await browser.log_in("norman"), 403, "no_role")
        answered = await gateway.sql("SELECT count(*) FROM answered_logins")

        refused = await browser.log_in("ann")

        assert int(problem(refused, 429, "rate_limited") and refused.headers["retry-after"]) >= 1
        assert await gateway.sql("SELECT count(*) FROM answered_logins") == answered == [(2,)]
        assert "set-cookie" not in refused.headers, "the login can be answered when the wait is over"
        assert await sessions(gateway) == 0
        assert (await tenant.get("/v1/numbers")).status_code == 200, "a good key does not wait"


async def test_one_returns_to_a_path_of_ours_only(door: Gateway, browser: Browser):
    for path in ("//evil.example", "/\\evil.example", "https://evil.example", "javascript:x", "/a\\b", "/a b", "/a\tb"):
        refused = await browser.http.get("/console/login", params={"return_to": path})
        assert pointers(problem(refused, 400, "invalid_request", about=path)) == {"return_to"}


async def test_a_session_ends_by_logout_by_time_and_with_its_roles(door: Gateway, browser: Browser, provider: Provider):
    provider.person("ann", groups=["gate-admins"])
    await browser.log_in("ann")
    left = dict(browser.http.cookies)
    assert (await browser.change("POST", "/console/logout")).status_code == 204
    assert SESSION not in browser.http.cookies
    again = {"Cookie": f"{SESSION}={left[SESSION]}"}
    problem(await browser.http.get("/v1/me", headers=again), 401, "expired_key")
    assert (await browser.http.post("/console/logout", headers=again)).status_code == 204

    for statement in (
        "UPDATE sessions SET expires_at = clock_timestamp() WHERE ended_at IS NULL",
        "UPDATE sessions SET seen_at = clock_timestamp() - interval '31 minutes' WHERE ended_at IS NULL",
        "UPDATE sessions SET groups = '{gone}' WHERE ended_at IS NULL",
        "UPDATE sessions SET issuer = 'https://before.example' WHERE ended_at IS NULL",
        "UPDATE sessions SET ended_at = clock_timestamp() WHERE ended_at IS NULL",
    ):
        await browser.log_in("ann")
        await browser.me()
        async with door.services.database.acting(duty="admin") as session:
            await session.execute(text(statement))
            await bump(session)
        await door.services.version.look()
        problem(await browser.http.get("/v1/me"), 401, "expired_key", about=statement)
        browser.http.cookies.clear()
    actions = await door.sql("SELECT action, count(*) FROM audit WHERE object_kind = 'session' GROUP BY 1 ORDER BY 1")
    assert actions == [("session.begun", 6), ("session.ended", 1)]


async def test_administrators_see_who_is_logged_in_and_end_a_session_within_a_second(
    open_gateway: OpenGateway, provider: Provider
):
    sessions = "/v1/admin/sessions"
    provider.person("ann", groups=["gate-admins", "revision", "others"])
    provider.person("otto", groups=["operations"])
    async with open_gateway(**trusting(provider)) as gateway, open_gateway(**trusting(provider)) as other:
        ann, otto, elsewhere = (Browser(*of) for of in ((gateway, provider), (gateway, provider), (other, provider)))
        for browser, who in ((otto, "otto"), (ann, "ann"), (elsewhere, "otto")):
            await browser.log_in(who)
            await browser.me()

        page = (await gateway.admin.get(sessions, params={"limit": 2})).json()
        rest = (await gateway.admin.get(sessions, params={"limit": 2, "cursor": page["next_cursor"]})).json()

        listed = [*page["items"], *rest["items"]]
        assert [(one["subject"].rpartition("|")[2], one["roles"]) for one in listed] == [
            ("otto", ["operator"]), ("ann", ["admin", "auditor"]), ("otto", ["operator"]),
        ]  # fmt: skip
        assert (page["total"], rest["next_cursor"]) == ({"value": 3, "exact": True}, None)
        for one in listed:
            assert one["began_at"] <= one["last_used_at"] < one["expires_at"]
        for browser in (ann, otto, elsewhere):
            assert browser.http.cookies[SESSION] not in str(listed)

        path = f"{sessions}/{listed[0]['id']}"
        problem(await otto.change("DELETE", path), 403, "scope_missing")
        assert [(await ann.change("DELETE", path)).status_code for _ in range(2)] == [204, 204]
        for services in (gateway.services, other.services):
            await services.version.look()  # As each replica does twice a second.
        problem(await elsewhere.http.get("/v1/me"), 401, "expired_key")
        assert (await otto.me())["kind"] == "person"
        assert len((await ann.http.get(sessions)).json()["items"]) == 2
        problem(await gateway.admin.send("DELETE", f"{sessions}/{uuid4()}"), 404, "not_found")
        noted = "SELECT actor, after->>'person' FROM audit WHERE action = 'session.ended'"
        assert await gateway.sql(noted) == [(f"person:{provider.issuer}|ann", f"person:{provider.issuer}|otto")]


async def test_sessions_that_are_over_are_not_listed(door: Gateway, browser: Browser, provider: Provider):
    provider.person("ann", groups=["gate-admins"])
    for statement in (
        "UPDATE sessions SET expires_at = clock_timestamp()",
        "UPDATE sessions SET seen_at = clock_timestamp() - interval '31 minutes'",
        "UPDATE sessions SET ended_at = clock_timestamp()",
    ):
        await browser.log_in("ann")
        async with door.services.database.acting(duty="admin") as session:
            await session.execute(text(statement))
        assert (await door.admin.get("/v1/admin/sessions")).json()["total"]["value"] == 0, statement


async def test_a_session_that_is_none_is_looked_up_once(door: Gateway):
    database, people, made_up = door.services.database, door.services.people, PREFIX + 43 * "a"
    assert people is not None
    headers = {"Cookie": f"{SESSION}={made_up}"}
    problem(await door.http.get("/v1/me", headers=headers), 401, "expired_key")
    await door.services.version.look()
    # Nothing here waits for anything, so no other task can ask the database meanwhile.
    before = database.round_trips
    for _ in range(3):
        with pytest.raises(ExpiredKey):
            await people.of(made_up)
    assert database.round_trips == before


async def test_what_is_asked_from_another_site_is_refused(door: Gateway, browser: Browser, provider: Provider):
    provider.person("ann", groups=["gate-admins"])
    await browser.log_in("ann")
    token = (await browser.me())["csrf_token"]
    path, body = "/v1/admin/organizations/north", {"name": "North"}
    async with nothing_happens(door):
        for headers in (
            {},
            {"X-CSRF-Token": ""},
            {"X-CSRF-Token": "0" * 64, "Origin": PUBLIC_URL},
            {"X-CSRF-Token": token, "Origin": "https://evil.example"},
            {"X-CSRF-Token": token, "Origin": "null"},
            {"X-CSRF-Token": token, "Sec-Fetch-Site": "cross-site"},
            {"X-CSRF-Token": token, "Sec-Fetch-Site": "same-site", "Origin": PUBLIC_URL},
        ):
            refused = await browser.http.put(path, json=body, headers=headers)
            problem(refused, 403, "cross_site_request", about=str(headers))
            problem(await browser.http.post("/console/logout", headers=headers), 403, "cross_site_request")
    assert (await browser.http.put(path, json=body, headers={"X-CSRF-Token": token})).status_code == 200


async def test_two_credentials_at_once_are_refused(door: Gateway, browser: Browser, provider: Provider):
    provider.person("ann", groups=["gate-admins"])
    tenant = await door.tenant()
    await browser.log_in("ann")
    token = provider.token("svc", audience="numbergate-api", tenant_id=tenant.id, scope="numbers:read")
    value = browser.http.cookies[SESSION]
    for headers, named in (
        ({"X-API-Key": tenant.key}, "Cookie"),
        ({"Authorization": f"Bearer {tenant.key}"}, "Cookie"),
        ({"Authorization": f"Bearer {token}"}, "Cookie"),
        ({"Authorization": f"Bearer {token}", "X-API-Key": tenant.key}, "Authorization"),
        ({"Authorization": "Basic aHVudGVyMjo="}, "Authorization"),
        ({"Cookie": f"{SESSION}={value}; {SESSION}=another"}, "Cookie"),
    ):
        refused = await browser.http.get("/v1/me", headers=headers)
        assert pointers(problem(refused, 400, "invalid_request", about=str(headers))) == {named}


async def test_a_token_acts_as_its_tenant_within_the_scopes_of_both(door: Gateway, provider: Provider):
    tenant, http = await door.tenant(), door.http
    await tenant.bought()

    async def me(token: str) -> httpx.Response:
        return await http.get("/v1/me", headers={"Authorization": f"Bearer {token}"})

    def token(**claims: Any) -> str:
        return provider.token("svc", audience="numbergate-api", **{"tenant_id": tenant.id, **claims})

    reads = token(scope="numbers:read numbers:release admin:* openid")
    told = (await me(reads)).json()
    assert (told["kind"], told["tenant_id"], told["scopes"]) == ("service", tenant.id, ["numbers:read"])
    assert told["subject"] == f"token:{provider.issuer}|svc"
    assert (told["organization_ids"], told["sees"]) == ([ORGANIZATION], [])
    headers = {"Authorization": f"Bearer {reads}"}
    assert len((await http.get("/v1/numbers", headers=headers)).json()["items"]) == 1
    buys = {"area_code": "313", "user_id": USER, "organization_id": ORGANIZATION}
    problem(await http.post(f"{NUMBERS}/create", headers=headers, json=buys), 403, "scope_missing")
    problem(await http.get("/v1/admin/tenants", headers=headers), 403, "scope_missing")
    headers = {"Authorization": f"Bearer {token(scp=['numbers:create'])}"}
    assert (await http.post(f"{NUMBERS}/create", headers=headers, json=buys)).status_code == 200
    await door.put_quotas(tenant, numbers_held=2, requests_per_second=0)
    problem(await http.get("/v1/numbers", headers=headers), 429, "rate_limited")
    await door.put_quotas(tenant, requests_per_second=None)

    async with nothing_happens(door):
        for name, refused, code in (
            ("another audience", provider.token("svc", audience="numbergate", tenant_id=tenant.id), "invalid_key"),
            ("another issuer", token(iss="https://evil.example"), "invalid_key"),
            ("expired", token(exp=1_000_000_000), "expired_key"),
            ("of the future", token(nbf=4_000_000_000), "invalid_key"),
            ("no tenant", token(tenant_id=None), "invalid_key"),
            ("a tenant that is none", token(tenant_id="nobody"), "invalid_key"),
            ("not a text", token(tenant_id=["a"]), "invalid_key"),
            ("not to be stored", token(tenant_id="a\0"), "invalid_key"),
            ("too long", token(scope="x" * 9_000), "invalid_key"),
            ("unsigned", f"{part({'alg': 'none'})}.{reads.split('.')[1]}.", "invalid_key"),
            ("another signature", reads[:-8] + "AAAAAAAA", "invalid_key"),
            (
                "other claims",
                ".".join((*reads.split(".")[:1], token().split(".")[1], reads.split(".")[2])),
                "invalid_key",
            ),
        ):
            problem(await me(refused), 401, code, about=name)
        problem(await http.get("/v1/me", headers={"X-API-Key": reads}), 401, "invalid_key")

    close = {"state": "closed", "confirm_numbers_held": 2}
    closed = await door.admin.send("PUT", f"/v1/admin/tenants/{tenant.id}", json=close)
    assert closed.status_code == 200
    await door.services.version.look()
    problem(await me(reads), 401, "invalid_key")


@pytest.mark.ci
async def test_keys_are_rotated_while_people_are_logged_in(
    door: Gateway, browser: Browser, provider: Provider, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(identity_provider, "PAUSE", 0.0)
    tenant = await door.tenant()
    provider.person("ann", groups=["gate-admins"])
    await browser.log_in("ann")
    claims = {"audience": "numbergate-api", "tenant_id": tenant.id}
    before = {"Authorization": f"Bearer {provider.token('svc', **claims)}"}
    assert (await door.http.get("/v1/me", headers=before)).status_code == 200

    provider.rotate()

    assert (await browser.me())["roles"] == ["admin"]
    after = {"Authorization": f"Bearer {provider.token('svc', **claims)}"}
    assert (await door.http.get("/v1/me", headers=after)).status_code == 200
    problem(await door.http.get("/v1/me", headers=before), 401, "invalid_key")
    provider.person("bob", groups=["revision"])
    other = Browser(door, provider)
    assert (await other.log_in("bob")).status_code == 303


async def test_a_provider_that_is_away_keeps_nobody_out_who_is_in(
    open_gateway: OpenGateway, provider: Provider, monkeypatch: pytest.MonkeyPatch
):
    known = {"public_url": PUBLIC_URL, "oidc_client_id": "numbergate", "oidc_roles": json.dumps(ROLES)}
    issuer = "http://127.0.0.1:9"
    async with open_gateway(oidc_issuer=issuer, key_environment="test", **known) as gateway:
        refused = await Browser(gateway, provider).http.get("/console/login")
        assert problem(refused, 503, "identity_provider_unavailable") and refused.headers["retry-after"] == "10"
        assert (await gateway.admin.get("/v1/me")).status_code == 200


async def test_without_a_provider_nobody_logs_in_and_keys_tell_who_they_are(gateway: Gateway):
    for method, path in (("GET", "/console/login"), ("GET", "/console/callback?code=x"), ("POST", "/console/logout")):
        problem(await gateway.http.request(method, path), 404, "not_found", about=path)
    tenant = await gateway.tenant(scopes=["numbers:read"])
    told = (await tenant.get("/v1/me")).json()
    assert told.pop("subject").startswith("key:")
    assert told == {
        "kind": "service",
        "roles": [],
        "tenant_id": tenant.id,
        "organization_ids": [ORGANIZATION],
        "user_ids": None,
        "networks": None,
        "sees": [],
        "scopes": ["numbers:read"],
        "expires_at": None,
        "csrf_token": None,
    }
    problem(await gateway.http.get("/v1/me"), 401, "missing_key")
    problem(await gateway.http.get("/v1/me", headers={"Authorization": "Bearer eyJ.a.b"}), 401, "invalid_key")
    session = {"Cookie": "numbergate_session=x; __Host-numbergate_session=x"}
    assert (await tenant.get("/v1/me", headers=session)).status_code == 200, "a cookie means nothing here"


async def test_a_session_is_a_row_that_nobody_sees_who_does_not_hold_it(
    door: Gateway, browser: Browser, provider: Provider
):
    provider.person("ann", groups=["gate-admins"])
    await browser.log_in("ann")
    database = door.services.database

    assert await sessions(door) == 1
    assert await as_role(database, "SELECT id FROM sessions") == []
    assert await as_role(database, "UPDATE sessions SET ended_at = NULL RETURNING id") == []
    assert await refused(database, "DELETE FROM sessions")
    assert await refused(door.worker.database, "UPDATE sessions SET ended_at = NULL")
    assert "a secret of the tests" not in repr(vars(door.services.people))

    async with database.acting(duty="admin") as session:
        await session.execute(text("UPDATE sessions SET expires_at = clock_timestamp() - interval '29 days'"))
    await door.worker.pruning.run()
    assert await sessions(door) == 1
    async with database.acting(duty="admin") as session:
        await session.execute(text("UPDATE sessions SET expires_at = clock_timestamp() - interval '31 days'"))
    await door.worker.pruning.run()
    assert await sessions(door) == 0
