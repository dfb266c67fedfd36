"""Webhook endpoints as a tenant has them: filed, told, rotated, tested, told again; and nobody else's."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from service.webhooks.webhooks import MOST
from tests.conftest import ACCOUNT_KEYS, OpenGateway
from tests.http.refusals import nothing_happens, problem
from tests.support.gateway import AUTHOR, ORGANIZATION, USER, Gateway, Tenant
from tests.webhooks.conftest import LOOPBACK
from tests.webhooks.desk import (
    ENDPOINTS,
    a_number,
    as_tenant,
    changed,
    deliver,
    deliveries,
    found,
    happen,
    made,
)
from tests.webhooks.receiver import Receiver


async def test_what_happens_is_sent_signed_in_order_and_as_the_feed_tells_it(
    gateway: Gateway, tenant: Tenant, hooks: Receiver
):
    await happen(gateway, tenant, a_number())
    endpoint = await made(tenant, hooks.url(), description="The dialler")
    await tenant.bought()
    await gateway.follow_up()
    while await gateway.worker.numbering.number():
        continue
    await deliver(gateway)

    feed = (await tenant.get("/v1/events")).json()["items"]
    assert [one.event for one in hooks.told["hook"]] == feed[1:]
    assert hooks.types() == ["number.acquired", "number.confirmed"]
    for one in hooks.told["hook"]:
        one.check(endpoint["secret"])
    assert "secret" not in await found(tenant, endpoint)
    assert (await found(tenant, endpoint))["sequence"] == 3
    log = await deliveries(tenant, endpoint)
    assert [(one["type"], one["state"], one["attempts"], one["status"]) for one in log] == [
        ("number.acquired", "delivered", 1, 200), ("number.confirmed", "delivered", 1, 200),
    ]  # fmt: skip


async def test_an_endpoint_is_sent_what_it_asked_for_and_a_change_holds_from_then_on(
    gateway: Gateway, tenant: Tenant, hooks: Receiver
):
    endpoint = await made(tenant, hooks.url(), types=["number.released", "order.*"])
    for kind in ("number.releasing", "number.released", "order.completed"):
        await happen(gateway, tenant, a_number(), kind=kind)
    await deliver(gateway)
    assert hooks.types() == ["number.released", "order.completed"]

    await changed(tenant, endpoint, types=None, url=hooks.url("other"))
    await happen(gateway, tenant, a_number())
    await deliver(gateway)
    assert hooks.types("other") == ["number.releasing"]
    assert len(hooks.told["hook"]) == 2


async def test_while_a_secret_is_rotated_both_sign(gateway: Gateway, tenant: Tenant, hooks: Receiver):
    endpoint = await made(tenant, hooks.url())
    path = f"{ENDPOINTS}/{endpoint['id']}/rotate"
    for no_number in ("60", True):
        problem(await tenant.send("POST", path, json={"overlap_seconds": no_number}), 400, "invalid_request")
    rotated = (await tenant.send("POST", path, json={"overlap_seconds": 60})).json()
    assert rotated["secret"] != endpoint["secret"]
    await happen(gateway, tenant, a_number())
    await deliver(gateway)
    [told] = hooks.told["hook"]
    assert len(told.headers["webhook-signature"].split()) == 2
    for secret in (endpoint["secret"], rotated["secret"]):
        told.check(secret)
    refused = problem(await tenant.send("POST", path, json={"overlap_seconds": 60}), 409, "state_conflict")
    assert refused["previous_secret_until"] in refused["detail"]

    over = "UPDATE webhook_endpoints SET previous_until = clock_timestamp() - interval '1 second'"
    await as_tenant(gateway, tenant, over)
    await happen(gateway, tenant, a_number())
    await deliver(gateway)
    told = hooks.told["hook"][1]
    told.check(rotated["secret"])
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint["secret"]).verify(told.body, told.headers)

    # One that leaked is not waited for.
    again = (await tenant.send("POST", path, json={"overlap_seconds": 60})).json()
    last = (await tenant.send("POST", path, json={"overlap_seconds": 0})).json()
    await happen(gateway, tenant, a_number())
    await deliver(gateway)
    told = hooks.told["hook"][2]
    told.check(last["secret"])
    with pytest.raises(WebhookVerificationError):
        Webhook(again["secret"]).verify(told.body, told.headers)


async def test_nothing_is_sent_for_a_tenant_that_was_closed(gateway: Gateway, tenant: Tenant, hooks: Receiver):
    endpoint = await made(tenant, hooks.url())
    other = await gateway.tenant()
    await made(other, hooks.url("other"))
    await happen(gateway, tenant, a_number())
    for state in ("suspended", "closed"):
        answer = await gateway.admin.send("PUT", f"/v1/admin/tenants/{tenant.id}", json={"state": state})
        assert answer.status_code == 200, answer.text
        if state == "suspended":
            await deliver(gateway)
    for one in (tenant, other):
        await happen(gateway, one, a_number())
    await deliver(gateway)

    assert (len(hooks.told["hook"]), len(hooks.told["other"])) == (1, 1)
    rows = "SELECT state, disabled_because, due_at FROM webhook_endpoints WHERE id = CAST(:id AS uuid)"
    assert await gateway.sql(rows, id=endpoint["id"]) == [("disabled", "tenant_closed", None)]
    [(actor, after)] = await gateway.sql("SELECT actor, after FROM audit WHERE action = 'webhook.disabled'")
    assert (actor[:4], after) == ("key:", {"state": "disabled", "because": "tenant_closed"})


async def test_secrets_are_sealed_at_rest_and_stand_in_no_log(gateway: Gateway, tenant: Tenant, hooks: Receiver):
    endpoint = await made(tenant, hooks.url())
    rows = await gateway.sql("SELECT to_jsonb(e)::text FROM webhook_endpoints e")
    audit = await gateway.sql("SELECT to_jsonb(a)::text FROM audit a")
    assert endpoint["secret"].startswith("whsec_")
    for (row,) in [*rows, *audit]:
        assert endpoint["secret"] not in row
    assert [row[0] for row in await gateway.sql("SELECT action FROM audit WHERE object_kind = 'webhook'")] == [
        "webhook.created"
    ]


async def test_a_test_tells_at_once_what_came_of_it(gateway: Gateway, tenant: Tenant, hooks: Receiver):
    endpoint = await made(tenant, hooks.url())
    path = f"{ENDPOINTS}/{endpoint['id']}/test"
    good = (await tenant.send("POST", path)).json()
    assert (good["delivered"], good["status"], good["error"]) == (True, 200, None)
    [told] = hooks.told["hook"]
    told.check(endpoint["secret"])
    assert (told.event["type"], told.event["id"]) == ("webhook.test", good["event_id"])

    hooks.answers["hook"] = lambda _: 503
    bad = (await tenant.send("POST", path)).json()
    assert (bad["delivered"], bad["status"], bad["error"]) == (False, 503, "answered 503")
    # Its address was allowed when it was filed, and is no more.
    await as_tenant(gateway, tenant, "UPDATE webhook_endpoints SET url = 'https://169.254.169.254/'")
    gone = (await tenant.send("POST", path)).json()
    assert (gone["delivered"], gone["status"]) == (False, None)
    assert "not of the Internet" in gone["error"]
    assert (await tenant.get("/v1/events")).json()["items"] == []


async def test_one_event_or_all_since_a_time_are_sent_again_with_their_ids(
    gateway: Gateway, tenant: Tenant, hooks: Receiver
):
    endpoint = await made(tenant, hooks.url())
    await happen(gateway, tenant, *(a_number() for _ in range(5)))
    await deliver(gateway)
    first = await deliveries(tenant, endpoint)
    answer = await tenant.send("POST", f"{ENDPOINTS}/{endpoint['id']}/deliveries/{first[2]['id']}/redeliver")
    assert (answer.status_code, answer.json()["state"]) == (200, "waiting")
    await deliver(gateway)
    assert hooks.sequences() == [1, 2, 3, 4, 5, 3]

    since = (await tenant.get("/v1/events")).json()["items"][3]["timestamp"]
    answer = await tenant.send("POST", f"{ENDPOINTS}/{endpoint['id']}/redeliver", json={"since": since})
    assert (answer.status_code, answer.json()["events"]) == (200, {"value": 2, "exact": True})
    await happen(gateway, tenant, a_number())
    await deliver(gateway)
    assert sorted(hooks.sequences()[6:]) == [4, 5, 6]
    ids = {one.event["sequence"]: one.event["id"] for one in hooks.told["hook"]}
    assert all(one.event["id"] == ids[one.event["sequence"]] for one in hooks.told["hook"])
    assert [one["state"] for one in await deliveries(tenant, endpoint)] == ["delivered"] * 6


async def test_the_log_of_deliveries_goes_by_pages_and_by_state(gateway: Gateway, tenant: Tenant, hooks: Receiver):
    endpoint = await made(tenant, hooks.url())
    hooks.answers["hook"] = lambda event: 500 if event["sequence"] == 2 else 200
    await happen(gateway, tenant, *(a_number() for _ in range(5)))
    await deliver(gateway)

    path, cursor, seen = f"{ENDPOINTS}/{endpoint['id']}/deliveries", None, []
    while True:
        page = (await tenant.get(path, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [one["sequence"] for one in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == [5, 4, 3, 2, 1]
    [waiting] = await deliveries(tenant, endpoint, state="waiting")
    assert (waiting["sequence"], waiting["error"], waiting["next_try_at"] is not None) == (2, "answered 500", True)
    problem(await tenant.get(path, params={"state": "lost"}), 400, "invalid_request")


async def test_a_key_has_its_answer_though_the_name_is_not_known_now(
    gateway: Gateway, tenant: Tenant, hooks: Receiver, monkeypatch: pytest.MonkeyPatch
):
    known = {"hooks.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]}

    async def resolve(hostname: str, port: int) -> list[str]:
        return known.get(hostname, [])

    monkeypatch.setattr(gateway.services.webhooks._sender.targets, "_resolve", resolve)
    new, other = {"url": "http://hooks.example/"}, {"url": "http://other.example/"}
    made_once = await tenant.send("POST", ENDPOINTS, json=new, headers={"Idempotency-Key": "k1"})
    path = f"{ENDPOINTS}/{made_once.json()['id']}"
    changed_once = await tenant.send("PATCH", path, json=other, headers={"Idempotency-Key": "k2"})
    known.clear()

    made_again = await tenant.send("POST", ENDPOINTS, json=new, headers={"Idempotency-Key": "k1"})
    changed_again = await tenant.send("PATCH", path, json=other, headers={"Idempotency-Key": "k2"})
    for once, again in ((made_once, made_again), (changed_once, changed_again)):
        assert (once.status_code, once.json()["id"]) == (again.status_code, again.json()["id"]), again.text
        assert again.headers["Idempotent-Replayed"] == "true"
    reused = await tenant.send("POST", ENDPOINTS, json=other, headers={"Idempotency-Key": "k1"})
    problem(reused, 422, "idempotency_key_reused")
    unknown = await tenant.send("POST", ENDPOINTS, json=new, headers={"Idempotency-Key": "k3"})
    assert "no address is known" in problem(unknown, 400, "invalid_request")["errors"][0]["detail"]


BAD_URLS = (
    "https://127.0.0.1/hook", "https://169.254.169.254/latest/meta-data", "http://93.184.216.34/hook",
    "https://[::ffff:169.254.169.254]/", "https://localhost/hook", "https://10.1.2.3/", "ftp://93.184.216.34/",
    "https://user:pw@93.184.216.34/", "nonsense", "",
)  # fmt: skip


async def test_outside_demo_mode_an_endpoint_is_https_and_of_the_internet(open_gateway: OpenGateway):
    async with open_gateway() as gateway:
        tenant = await gateway.tenant()
        async with nothing_happens(gateway):
            for url in BAD_URLS:
                answer = await tenant.send("POST", ENDPOINTS, json={"url": url})
                body = problem(answer, 400, "invalid_request", about=url)
                assert body["errors"][0]["pointer"] == "/url", url
        fine = await made(tenant, "https://93.184.216.34/hook")
        path = f"{ENDPOINTS}/{fine['id']}"
        problem(await tenant.send("PATCH", path, json={"url": BAD_URLS[0]}), 400, "invalid_request")
        assert (await found(tenant, fine))["url"] == "https://93.184.216.34/hook"


async def test_a_name_that_resolves_inside_is_refused(open_gateway: OpenGateway, monkeypatch: pytest.MonkeyPatch):
    async with open_gateway() as gateway:
        tenant = await gateway.tenant()

        async def resolve(hostname: str, port: int) -> list[str]:
            return ["93.184.216.34", "10.0.0.7"]

        monkeypatch.setattr(gateway.services.webhooks._sender.targets, "_resolve", resolve)
        answer = await tenant.send("POST", ENDPOINTS, json={"url": "https://inside.example/"})
        assert "not of the Internet" in problem(answer, 400, "invalid_request")["errors"][0]["detail"]


async def test_what_is_asked_wrongly_is_named_all_at_once(gateway: Gateway, tenant: Tenant, hooks: Receiver):
    endpoint = await made(tenant, hooks.url())
    ahead = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    path = f"{ENDPOINTS}/{endpoint['id']}"
    for method, where, sent, pointers in (
        ("POST", ENDPOINTS, {}, {"/url"}),
        ("POST", ENDPOINTS, {"url": 1, "types": ["x.y"], "colour": "red"}, {"/url", "/types/0", "/colour"}),
        ("POST", ENDPOINTS, {"url": hooks.url(), "types": []}, {"/types"}),
        ("POST", ENDPOINTS, {"url": hooks.url(), "description": 501 * "x"}, {"/description"}),
        ("PATCH", path, {"state": "paused"}, {"/state"}),
        ("POST", f"{path}/rotate", {"overlap_seconds": -1}, {"/overlap_seconds"}),
        ("POST", f"{path}/rotate", {"overlap_seconds": 10**9}, {"/overlap_seconds"}),
        ("POST", f"{path}/redeliver", {"since": "yesterday"}, {"/since"}),
        ("POST", f"{path}/redeliver", {"since": ahead}, {"/since"}),
        ("POST", f"{path}/redeliver", {}, {"/since"}),
    ):
        body = problem(await tenant.send(method, where, json=sent), 400, "invalid_request", about=str(sent))
        assert {one["pointer"] for one in body["errors"]} == pointers, sent


async def test_the_endpoints_of_another_are_none_at_all(gateway: Gateway, tenant: Tenant, hooks: Receiver):
    endpoint = await made(tenant, hooks.url())
    await happen(gateway, tenant, a_number())
    await deliver(gateway)
    [delivery] = await deliveries(tenant, endpoint)
    other, path = await gateway.tenant(), f"{ENDPOINTS}/{endpoint['id']}"
    for method, where, sent in (
        ("GET", path, None),
        ("PATCH", path, {"description": "Mine"}),
        ("DELETE", path, None),
        ("POST", f"{path}/rotate", {}),
        ("POST", f"{path}/test", None),
        ("GET", f"{path}/deliveries", None),
        ("POST", f"{path}/deliveries/{delivery['id']}/redeliver", None),
        ("POST", f"{path}/redeliver", {"since": "2026-01-01T00:00:00Z"}),
    ):
        problem(await other.send(method, where, json=sent), 404, "not_found", about=f"{method} {where}")
    assert (await other.get(ENDPOINTS)).json()["items"] == []
    mine = await made(other, hooks.url("mine"))
    problem(
        await other.send("POST", f"{ENDPOINTS}/{mine['id']}/deliveries/{delivery['id']}/redeliver"), 404, "not_found"
    )
    await happen(gateway, tenant, a_number())
    await deliver(gateway)
    assert hooks.told["mine"] == []


async def test_who_may_read_events_may_not_for_that_have_them_sent_elsewhere(gateway: Gateway, hooks: Receiver):
    reader = await gateway.tenant(scopes=["events:read"])
    problem(await reader.send("POST", ENDPOINTS, json={"url": hooks.url()}), 403, "scope_missing")
    assert (await reader.get(ENDPOINTS)).status_code == 200
    path = f"/v1/admin/tenants/{reader.id}/keys"
    for limits, code in (
        ({"organization_ids": [ORGANIZATION]}, "not_your_organization"),
        ({"user_ids": [USER]}, "not_your_user"),
    ):
        body = {"name": "part", "scopes": ["webhooks:write"], **limits}
        key = (await gateway.admin.send("POST", path, json=body)).json()["key"]
        await gateway.services.version.look()
        part = Tenant(gateway.http, reader.id, key)
        problem(await part.send("POST", ENDPOINTS, json={"url": hooks.url()}), 403, code)


async def test_a_request_that_is_sent_again_makes_no_second_endpoint(tenant: Tenant, hooks: Receiver):
    body, key = {"url": hooks.url()}, {"Idempotency-Key": "once"}
    first = await tenant.send("POST", ENDPOINTS, json=body, headers=key)
    again = await tenant.send("POST", ENDPOINTS, json=body, headers=key)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert again.json() == first.json() | {"secret": None}
    assert len((await tenant.get(ENDPOINTS)).json()["items"]) == 1
    other = await tenant.send("POST", ENDPOINTS, json=body | {"description": "x"}, headers=key)
    problem(other, 422, "idempotency_key_reused")


async def test_a_tenant_has_so_many_endpoints_and_no_more(gateway: Gateway, tenant: Tenant, hooks: Receiver):
    first = await made(tenant, hooks.url())
    await as_tenant(
        gateway, tenant,
        "INSERT INTO webhook_endpoints (id, tenant_id, url, state, sealed, key_id, position)"
        " SELECT gen_random_uuid(), tenant_id, url, state, sealed, key_id, position"
        f" FROM webhook_endpoints, generate_series(2, {MOST})",
    )  # fmt: skip
    problem(await tenant.send("POST", ENDPOINTS, json={"url": hooks.url()}), 409, "state_conflict")
    assert (await tenant.send("DELETE", f"{ENDPOINTS}/{first['id']}")).status_code == 204
    await made(tenant, hooks.url())


async def test_without_keys_to_encrypt_with_no_endpoint_is_made(open_gateway: OpenGateway, hooks: Receiver):
    async with open_gateway(account_keys="", webhook_networks="127.0.0.0/8") as gateway:
        tenant = await gateway.tenant()
        body = problem(await tenant.send("POST", ENDPOINTS, json={"url": hooks.url()}), 409, "state_conflict")
        assert "NUMBERGATE_ACCOUNT_KEYS" in body["detail"]


async def test_secrets_are_encrypted_anew_with_the_first_key_and_sign_as_before(
    gateway: Gateway, tenant: Tenant, hooks: Receiver, open_gateway: OpenGateway
):
    endpoint = await made(tenant, hooks.url())
    path = f"{ENDPOINTS}/{endpoint['id']}/rotate"
    rotated = (await tenant.send("POST", path, json={"overlap_seconds": 3600})).json()
    next_key = f"next:{base64.b64encode(bytes(range(32))).decode()}"
    async with open_gateway(account_keys=f"{next_key},{ACCOUNT_KEYS}", webhook_networks=LOOPBACK) as other:
        first, again = [await other.services.webhooks.reencrypt(AUTHOR) for _ in range(2)]
    assert [(one.anew, one.before, one.not_opened) for one in (first, again)] == [(1, 0, ()), (0, 1, ())]
    async with open_gateway(account_keys=next_key, webhook_networks=LOOPBACK) as other:
        await Tenant(other.http, tenant.id, tenant.key).send("POST", f"{ENDPOINTS}/{endpoint['id']}/test")
    async with open_gateway(account_keys=ACCOUNT_KEYS, webhook_networks=LOOPBACK) as other:
        [why] = (await other.services.webhooks.reencrypt(AUTHOR)).not_opened
    assert why.endswith("the key next that it is encrypted with is not here")
    [told] = hooks.told["hook"]
    for secret in (endpoint["secret"], rotated["secret"]):
        told.check(secret)
    assert await gateway.sql("SELECT before, after FROM audit WHERE action = 'webhook.reencrypted'") == [
        ({"encrypted_with": "tests"}, {"encrypted_with": "next"})
    ]


async def test_an_administrator_sees_to_the_endpoints_of_the_tenant_that_is_named(
    gateway: Gateway, tenant: Tenant, hooks: Receiver
):
    of = {"tenant_id": tenant.id}
    filed = await gateway.admin.send("POST", ENDPOINTS, params=of, json={"url": hooks.url()})
    assert filed.status_code == 201, filed.text
    endpoint = filed.json()
    path = f"{ENDPOINTS}/{endpoint['id']}"

    assert [one["id"] for one in (await tenant.get(ENDPOINTS)).json()["items"]] == [endpoint["id"]]
    assert (await gateway.admin.send("POST", f"{path}/test", params=of)).json()["status"] == 200
    assert (await gateway.admin.get(f"{path}/deliveries", params=of)).status_code == 200
    assert (await gateway.admin.send("DELETE", path, params=of)).status_code == 204
    [created] = (
        await gateway.admin.get("/v1/admin/audit", params={"object_id": endpoint["id"], "action": "webhook.created"})
    ).json()["items"]
    assert (created["tenant_id"], created["actor"].split(":")[0]) == (tenant.id, "key")


async def test_nobody_else_names_a_tenant_whose_endpoints_are_meant(gateway: Gateway, tenant: Tenant):
    other = await gateway.tenant()

    assert (await tenant.get(ENDPOINTS, params={"tenant_id": tenant.id})).status_code == 200
    problem(await tenant.get(ENDPOINTS, params={"tenant_id": other.id}), 403, "not_your_tenant")
    problem(await gateway.operator.get(ENDPOINTS, params={"tenant_id": tenant.id}), 403, "scope_missing")
    problem(await gateway.admin.get(ENDPOINTS), 403, "scope_missing")
    unknown = await gateway.admin.get(ENDPOINTS, params={"tenant_id": "nobody"})
    assert problem(unknown, 400, "invalid_request")["errors"] == [
        {"pointer": "tenant_id", "detail": "there is no such tenant"}
    ]
