"""The operator's list of doubts."""

from typing import Any
from uuid import uuid4

from tests.support.gateway import ORGANIZATION, USER, Gateway, Tenant

DOUBTS = "/v1/admin/doubts"


async def doubtful(gateway: Gateway, tenant: Tenant, **fields: Any) -> str:
    await gateway.teli.arm("reset", step="bought")
    answer = await tenant.buy(**{"key": str(uuid4())} | fields)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["operation_id"])


async def test_a_doubt_is_shown_with_what_was_heard_of_it(gateway: Gateway, tenant: Tenant):
    operation_id = await doubtful(gateway, tenant, nickname="Sales")

    answer = await gateway.operator.get(DOUBTS)

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["next_cursor"], body["total"]) == (None, {"value": 1, "exact": True})
    [item] = body["items"]
    expected = {
        "id": operation_id,
        "phone_number": None,
        "state": "doubtful",
        "organization_id": ORGANIZATION,
        "tenant_id": tenant.id,
        "user_id": USER,
        "area_code": "313",
        "nickname": "Sales",
    }
    assert {name: item[name] for name in expected} == expected
    [evidence] = item["evidence"]
    assert evidence["kind"] == "broken"
    assert evidence["detail"]
    assert evidence["heard_at"].endswith("Z")


async def test_what_is_decided_is_no_doubt(gateway: Gateway, tenant: Tenant):
    await tenant.bought()
    await gateway.teli.stock("212", 0)
    await tenant.buy("212")

    assert (await gateway.operator.get(DOUBTS)).json()["items"] == []


async def test_doubts_come_oldest_first_page_by_page(gateway: Gateway, tenant: Tenant):
    ids = [await doubtful(gateway, tenant) for _ in range(5)]

    seen: list[str] = []
    params: dict[str, Any] = {"limit": 2}
    while True:
        body = (await gateway.operator.get(DOUBTS, params=params)).json()
        assert body["total"] == {"value": 5, "exact": True}
        seen += [item["id"] for item in body["items"]]
        if body["next_cursor"] is None:
            break
        params["cursor"] = body["next_cursor"]

    assert seen == ids
    for wrong in ({"cursor": "A" * 40}, {"limit": 0}, {"limit": 1001}, {"state": "doubtful"}):
        assert (await gateway.operator.get(DOUBTS, params=wrong)).status_code == 400, wrong


async def test_only_an_operator_may_look(gateway: Gateway, tenant: Tenant):
    await doubtful(gateway, tenant)

    refused = await tenant.get(DOUBTS)
    nobody = await gateway.http.get(DOUBTS)

    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert nobody.status_code == 401
    assert len((await gateway.admin.get(DOUBTS)).json()["items"]) == 1


async def many(gateway: Gateway, tenant: Tenant, *, doubts: int, orphans: int, pieces: int) -> None:
    """Unresolved doubts of one user, each with pieces of evidence; and rows that appeared since, strangers' too."""
    await gateway.sql(
        "INSERT INTO intents (id, tenant_id, account_id, organization_id, user_id, area_code, wish, mark, request_id,"
        " state, admitted_at, lease_until, slot) SELECT gen_random_uuid(), :tenant, id, :organization, :user, '313',"
        " '{}', '', 'r', 'unresolved', now() - interval '2 days', now(), 1 FROM accounts, generate_series(1, :count)",
        tenant=tenant.id, organization=ORGANIZATION, user=USER, count=doubts,
    )  # fmt: skip
    await gateway.sql(
        "INSERT INTO evidence (intent_id, tenant_id, heard_at, kind, detail)"
        " SELECT i.id, i.tenant_id, now(), 'broken', n.n::text"
        " FROM generate_series(1, :count) n, intents i ORDER BY n.n",
        count=pieces,
    )
    await gateway.sql(
        "INSERT INTO orphans (account_id, organization_id, user_id, phone_number, row_id, reason, created_at)"
        " SELECT id, :organization, whose, '+1415555' || lpad(n::text, 4, '0'), whose || n, 'unexplained',"
        "  now() - make_interval(secs => 5000 - n)"
        " FROM accounts, generate_series(1, :count) n, unnest(CAST(:users AS text[])) whose",
        organization=ORGANIZATION, count=orphans, users=[USER, "another"],
    )  # fmt: skip


async def test_a_doubt_with_many_candidates_shows_the_first_and_counts_them_all(gateway: Gateway, tenant: Tenant):
    await many(gateway, tenant, doubts=1, orphans=250, pieces=130)

    [item] = (await gateway.operator.get(DOUBTS)).json()["items"]
    alone = (await gateway.operator.get(f"{DOUBTS}/{item['id']}")).json()

    for shown, most in ((item, 20), (alone, 100)):
        assert (shown["candidates_total"], shown["evidence_total"]) == (250, 130)
        assert [one["row_id"] for one in shown["candidates"]] == [f"{USER}{n}" for n in range(1, most + 1)]
        assert [one["detail"] for one in shown["evidence"]] == [str(n) for n in range(131 - most, 131)]


async def test_a_doubt_without_evidence_or_candidates_counts_none(gateway: Gateway, tenant: Tenant):
    await many(gateway, tenant, doubts=1, orphans=0, pieces=0)

    [item] = (await gateway.operator.get(DOUBTS)).json()["items"]

    assert (item["candidates"], item["candidates_total"]) == ([], 0)
    assert (item["evidence"], item["evidence_total"]) == ([], 0)


async def test_a_page_of_doubts_costs_the_same_few_questions_however_many_they_are(gateway: Gateway, tenant: Tenant):
    await many(gateway, tenant, doubts=100, orphans=500, pieces=3)
    database, lists = gateway.services.database, gateway.services.lists
    operator = await gateway.services.principals.of(gateway.operator.key)

    async def questions(limit: int) -> int:
        before = database.round_trips
        page = await lists.doubts(operator, limit=limit, cursor=None)
        assert len(page["items"]) == limit
        return database.round_trips - before

    # The version row is asked for beside it, now and then.
    costs = {limit: min([await questions(limit) for _ in range(3)]) for limit in (1, 100)}

    assert costs[1] == costs[100]
    whole = await gateway.operator.get(DOUBTS, params={"limit": 100})
    assert len(whole.content) < 1_500_000
