"""Who asks, and whose things must never be told to them."""

import re
from dataclasses import dataclass
from typing import Any

from tests.support.gateway import AUTHOR, ORGANIZATION, TELI_TENANT, USER, Gateway, Tenant
from tests.tenants.test_isolation import trade

# Nickname, cost centre, tag, idempotency key; then the names of organisation and user.
SEEN = ("Neighbour-4770", "neighbouring-4770", "tag-4770", "neighbour-key-4770")
HIDDEN = (
    "Foreigner-4771",
    "foreign-4771",
    "tag-4771",
    "foreign-key-4771",
    "Foreign Legion 4771",
    "Foreign Person 4771",
)
ELSEWHERE, SOMEBODY = "4771896364768x811173798861431550", "4771896366429x822248279945132448"
OF_NUMBERS = ("numbers:create", "numbers:read", "numbers:release", "agents:link")
OF_CALLS = ("campaigns:read", "campaigns:write", "calls:read", "events:read")
SCOPES = {
    "tenant": (*OF_NUMBERS, *OF_CALLS),
    "viewer": (*OF_NUMBERS, *OF_CALLS, "inventory:org"),
    "reader": ("numbers:read",),
}
STAFF = ("admin", "operator", "finance")
NOBODY = "stranger"
ROLES = (*SCOPES, *STAFF, NOBODY)
NO_LIMITS = dict.fromkeys(
    ("numbers_held", "purchases_per_day", "purchases_per_month", "releases_per_month", "spend_per_month",
     "requests_per_second", "burst", "concurrent_creates", "doubts_open")
)  # fmt: skip


@dataclass
class Cast:
    """`keys` by role; `known`: by role, values that a parameter or field of that name, or `operation.name`, may well
    have; `victims`: the same of those who must not be seen; `secret`: what a role may never be told.
    """

    gateway: Gateway
    keys: dict[str, str]
    known: dict[str, dict[str, list[Any]]]
    victims: dict[str, list[str]]
    secret: dict[str, re.Pattern[bytes]]

    @classmethod
    async def of(cls, gateway: Gateway) -> "Cast":
        """Roles with something of their own, a neighbour in the same organisation and a tenant in another one."""
        administration = gateway.services.administration
        await gateway.teli.organization(TELI_TENANT, unique_id=ELSEWHERE)
        await gateway.teli.user(ELSEWHERE, unique_id=SOMEBODY)
        await administration.put_organization(AUTHOR, ELSEWHERE, HIDDEN[4])
        await administration.put_user(AUTHOR, ELSEWHERE, SOMEBODY, {"name": HIDDEN[5]})
        neighbour, foreigner = await gateway.tenant(), await gateway.tenant(organization_ids=[ELSEWHERE])
        await trade(gateway, neighbour)
        await gateway.sql("DELETE FROM decided_on")  # Of which `trade` writes what no look would.
        for victim, (nickname, cost_center, tag, key, *_), where in (
            (neighbour, SEEN, {}),
            (foreigner, HIDDEN, {"organization_id": ELSEWHERE, "user_id": SOMEBODY}),
        ):
            await victim.bought("415", key=key, nickname=nickname, cost_center=cost_center, tags=[tag], **where)

        tenants = {role: await gateway.tenant(scopes=scopes) for role, scopes in SCOPES.items()}
        staff = {kind: (await administration.issue_staff_key(AUTHOR, kind, "fuzzed")).key for kind in STAFF}
        own: dict[str, dict[str, list[Any]]] = {}
        for role, tenant in tenants.items():
            own[role] = {"user_id": [USER], "organization_id": [ORGANIZATION], "area_code": ["313"]}
            own[role] |= {"create_number.tenant_id": [TELI_TENANT]}
            if role != "reader":
                number = await tenant.bought()
                for name, of in (("number_id", "id"), ("phone_number",) * 2, ("operation_id",) * 2):
                    own[role][name] = [number[of]]
        scratch = [f"scratch-{number}" for number in range(3)]
        for tenant_id in scratch:
            await administration.put_tenant(AUTHOR, tenant_id, "Scratch", [ORGANIZATION])
        keys = [await administration.issue_key(AUTHOR, scratch[0], name=f"k{n}", scopes=SCOPES["reader"]) for n in "12"]

        further = await gateway.services.accounts.create(
            AUTHOR, name="further", base_url="https://teli.example", teli_tenant_id="further", key="a-key-of-teli"
        )

        of_neighbour = await _identifiers(gateway, neighbour)
        of_foreigner = await _identifiers(gateway, foreigner)
        of_both = [*of_foreigner["all"], ELSEWHERE, SOMEBODY, *HIDDEN]
        texts = {role: list(of_both) for role in (*SCOPES, "finance", NOBODY)}
        for role in texts.keys() - {"viewer"}:
            texts[role] += [*of_neighbour["all"], *SEEN]
        doubts, orphans = await _listed(gateway, "doubts"), await _listed(gateway, "orphans")
        of_staff: dict[str, list[Any]] = {
            "tenant_id": scratch, "key_id": [str(key.id) for key in keys], "organization_id": ["scratch-organization"],
            "user_id": ["scratch-user"], "organization_ids": [[]], "create_key.organization_ids": [None],
            "account_id": [str(further["id"])],
            "get_doubt.item_id": doubts,
            "resolve_doubt.item_id": doubts, "resolve_doubt.decision": ["refused"], "resolve_orphan.item_id": orphans,
            "resolve_orphan.decision": ["ignore"], "stop_purchases.id": scratch, "resume_purchases.id": scratch,
        }  # fmt: skip
        return cls(
            gateway,
            {role: tenant.key for role, tenant in tenants.items()} | staff,
            own | dict.fromkeys(STAFF, of_staff),
            {name: of_neighbour[name] + of_foreigner[name] for name in of_neighbour.keys() - {"all"}}
            | {"organization_id": [ELSEWHERE], "user_id": [SOMEBODY]},
            {role: re.compile(b"|".join(re.escape(one.encode()) for one in found)) for role, found in texts.items()},
        )  # fmt: skip

    async def holdings(self) -> list[tuple[Any, ...]]:
        """What the victims hold, which no role but staff may change."""
        return await self.gateway.sql(
            "SELECT to_jsonb(n) FROM numbers n WHERE tenant_id = ANY(:tenants) ORDER BY id",
            tenants=self.victims["tenant_id"],
        )

    async def mend(self) -> None:
        """Undo what an administrator may do that would end all purchases."""
        for body in await self.gateway.sql("SELECT scope, id FROM stops"):
            scope, of = body
            order = {"scope": scope, "reason": "mended"} | ({} if scope == "global" else {"id": of})
            await self.gateway.admin.send("POST", "/v1/admin/resume", json=order)
        await self.gateway.admin.send("PUT", "/v1/admin/deployment/quotas", json=NO_LIMITS)
        await self.gateway.services.version.look()


async def _identifiers(gateway: Gateway, tenant: Tenant) -> dict[str, list[str]]:
    """Of everything a tenant has, by the name of a parameter that takes it."""

    async def column(statement: str) -> list[str]:
        return [str(value) for (value,) in await gateway.sql(statement, tenant=tenant.id) if value is not None]

    found = {
        "number_id": await column("SELECT id FROM numbers WHERE tenant_id = :tenant"),
        # A released one may be sold to anybody.
        "phone_number": await column("SELECT phone_number FROM numbers WHERE tenant_id = :tenant AND state = 'active'"),
        "operation_id": await column(
            "SELECT id FROM intents WHERE tenant_id = :tenant UNION SELECT id FROM steps WHERE tenant_id = :tenant"
        ),
        "key_id": await column("SELECT id FROM api_keys WHERE tenant_id = :tenant"),
        "item_id": await column("SELECT id FROM intents WHERE tenant_id = :tenant AND state = 'doubtful'"),
        "tenant_id": [tenant.id],
    }
    assert all(found[name] for name in ("number_id", "phone_number", "operation_id", "key_id"))
    return found | {"all": sorted({value for values in found.values() for value in values})}


async def _listed(gateway: Gateway, what: str) -> list[str]:
    """What operators have to decide."""
    return [item["id"] for item in (await gateway.operator.get(f"/v1/admin/{what}")).json()["items"]]
