"""Every administrative operation of the OpenAPI document that changes something says so in the audit log.

An operation that comes anew has to be added here, with how it is called and what it notes: until then this fails.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from tests.reconciliation.test_resolver import doubt
from tests.support.gateway import AUTHOR, ORGANIZATION, USER, Gateway, Tenant

READS = {"get", "head", "options"}
REASON = {"reason": "a test"}


@dataclass
class Scene:
    """A gateway with what the changes are about."""

    gateway: Gateway
    tenant: Tenant


@dataclass(frozen=True)
class Change:
    """`action`: what is noted. `anew`: there was nothing before. `prepare` gives further members of path and body."""

    action: str
    body: dict[str, Any] | None = None
    anew: bool = False
    by: str = "admin"
    prepare: Callable[[Scene], Awaitable[tuple[dict[str, str], dict[str, Any]]]] | None = None


async def a_key(scene: Scene) -> tuple[dict[str, str], dict[str, Any]]:
    issued = await scene.gateway.services.administration.issue_key(
        AUTHOR, scene.tenant.id, name="k", scopes=["numbers:read"]
    )
    return {"key_id": str(issued.id)}, {}


async def a_stop(scene: Scene) -> tuple[dict[str, str], dict[str, Any]]:
    await scene.gateway.services.stops.stop(AUTHOR, "tenant", scene.tenant.id, "before")
    return {}, {"id": scene.tenant.id}


async def the_tenant(scene: Scene) -> tuple[dict[str, str], dict[str, Any]]:
    return {}, {"id": scene.tenant.id}


async def a_doubt(scene: Scene) -> tuple[dict[str, str], dict[str, Any]]:
    return {"item_id": await doubt(scene.gateway, scene.tenant, step="received")}, {}


async def an_orphan(scene: Scene) -> tuple[dict[str, str], dict[str, Any]]:
    [strange] = await scene.gateway.teli.dashboard_buy("415", ORGANIZATION, USER, "Reception")
    await scene.gateway.look_everywhere()
    [(orphan,)] = await scene.gateway.sql("SELECT id::text FROM orphans WHERE phone_number = :n", n=strange)
    return {"item_id": orphan}, {"tenant_id": scene.tenant.id}


async def a_ghost(scene: Scene) -> tuple[dict[str, str], dict[str, Any]]:
    """Bought long ago, and never listed."""
    number = await scene.tenant.bought("212")
    await scene.gateway.sql("UPDATE numbers SET acquired_at = acquired_at - interval '30 days'")
    return {"item_id": number["id"]}, {}


ACCOUNT = {"name": "Europe", "base_url": "https://teli.example", "teli_tenant_id": "europe", "key": "a-key-of-teli"}


async def an_account(scene: Scene) -> tuple[dict[str, str], dict[str, Any]]:
    other = ACCOUNT | {"name": str(uuid4()), "teli_tenant_id": str(uuid4())}
    answer = await scene.gateway.admin.send("POST", "/v1/admin/accounts", json=other)
    return {"account_id": answer.json()["id"]}, {}


async def a_session(scene: Scene) -> tuple[dict[str, str], dict[str, Any]]:
    begun = {"actor": "person:ada", "request_id": "before"}
    await scene.gateway.services.sessions.begin("https://a.example", "ada", ["x"], **begun)
    [[session]] = await scene.gateway.sql("SELECT id::text FROM sessions")
    return {"session_id": session}, {}


CHANGES = {
    "sync_organizations": Change("organizations.synced"),
    "sync_users": Change("users.synced"),
    "put_policy": Change("policy.put", {"orphan_reuse": False}),
    "create_account": Change("account.created", ACCOUNT, anew=True),
    "put_account": Change("account.put", {"name": "Asia"}, prepare=an_account),
    "put_account_key": Change("account.key_replaced", {"key": "another-key-of-teli"}, anew=True, prepare=an_account),
    "put_organization": Change("organization.put", {"name": "New"}),
    "put_user": Change("user.put", {"name": "New"}),
    "put_tenant": Change("tenant.put", {"name": "New"}),
    "create_key": Change("key.issued", {"name": "n", "scopes": ["numbers:read"]}, anew=True),
    "revoke_key": Change("key.revoked", prepare=a_key),
    "rotate_key": Change("key.rotated", {"overlap_seconds": 60}, prepare=a_key),
    "end_session": Change("session.ended", prepare=a_session),
    "put_quotas": Change("quota.put", {"numbers_held": 90}),
    "put_organization_quotas": Change("quota.put", {"numbers_held": 90}),
    "put_user_quotas": Change("quota.put", {"numbers_held": 90}),
    "put_deployment_quotas": Change("quota.put", {"numbers_held": 90}),
    "stop_purchases": Change("purchases.stopped", {"scope": "tenant", **REASON}, prepare=the_tenant),
    "resume_purchases": Change("purchases.resumed", {"scope": "tenant", **REASON}, prepare=a_stop),
    "resolve_doubt": Change("doubt.refused", {"decision": "refused", **REASON}, by="operator", prepare=a_doubt),
    "resolve_orphan": Change("orphan.adopted", {"decision": "adopt", **REASON}, by="operator", prepare=an_orphan),
    "resolve_ghost": Change("ghost.missing", {"decision": "missing", **REASON}, by="operator", prepare=a_ghost),
}


async def test_every_administrative_change_is_in_the_log_with_its_author_and_how_it_was_and_became(
    gateway: Gateway, tenant: Tenant
):
    document = (await gateway.http.get("/openapi.json")).json()
    changing = {
        one["operationId"]: (method.upper(), path)
        for path, item in document["paths"].items() if path.startswith("/v1/admin/")
        for method, one in item.items() if method not in READS
    }  # fmt: skip
    assert changing.keys() == CHANGES.keys(), "what does this operation note? add it above"
    scene = Scene(gateway, tenant)
    ids = {"tenant_id": tenant.id, "organization_id": ORGANIZATION, "user_id": USER}

    for name, change in CHANGES.items():
        path, body = await change.prepare(scene) if change.prepare else ({}, {})
        method, template = changing[name]
        whole = None if change.body is None else change.body | body
        who: Tenant = getattr(gateway, change.by)
        asked = template.format(**ids | path)
        answer = await who.send(method, asked, json=whole, headers={"X-Request-ID": f"does-{name}"})
        assert answer.status_code in (200, 201, 204), f"{name}: {answer.text}"

        found = await gateway.sql(
            "SELECT actor, before, after FROM audit WHERE request_id = :r AND action = :a",
            r=f"does-{name}", a=change.action,
        )  # fmt: skip
        assert len(found) == 1, f"{name} noted {found}"
        [(actor, before, after)] = found
        assert actor.startswith("key:"), name
        assert after, name
        assert (before is None) == change.anew, f"{name}: {before}"
        told = answer.json() if answer.content else {}
        for secret in (told.get("key"), (change.body or {}).get("key")):
            assert not isinstance(secret, str) or secret not in str(after), name
