"""Who asks, and whose things must never be told to them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from service.tenants.administration import TENANT_SCOPES
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
# `viewer` sees its organisation, and so its neighbour there.
SCOPES = {"tenant": tuple(scope for scope in TENANT_SCOPES if scope != "inventory:org"), "viewer": TENANT_SCOPES}
STAFF = ("admin", "operator", "finance")
NOBODY = "stranger"
ROLES = (*SCOPES, *STAFF, NOBODY)
NO_LIMITS = dict.fromkeys(
    ("numbers_held", "purchases_per_day", "purchases_per_month", "releases_per_month", "spend_per_month",
     "requests_per_second", "burst", "concurrent_creates", "doubts_open")
)  # fmt: skip


@dataclass(frozen=True)
class Known:
    """What a fuzzer has from its cast. `keys` by role; `of`: by role, values that a parameter or member of that name,
    or `operation.name`, may well have; `victims`: the same of those who must not be seen, and by collection; `spared`:
    what an administrator must not change, for the others live by it.
    """

    keys: dict[str, str]
    of: dict[str, dict[str, list[Any]]]
    victims: dict[str, list[str]]
    spared: frozenset[str]

    def victims_of(self, pools: Sequence[str]) -> list[str]:
        """Of a parameter or member that is drawn from these pools."""
        names = (name for pool in pools for name in (pool, pool.partition("/")[0]))
        return next((self.victims[name] for name in names if name in self.victims), [])


@dataclass
class Cast:
    """`secret`: what a role may never be told; `neighbour`: one of those who must not be seen."""

    gateway: Gateway
    neighbour: Tenant
    known: Known
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
        await gateway.follow_up()

        tenants = {role: await gateway.tenant(scopes=scopes) for role, scopes in SCOPES.items()}
        staff = {kind: (await administration.issue_staff_key(AUTHOR, kind, "fuzzed")).key for kind in STAFF}
        own: dict[str, dict[str, list[Any]]] = {}
        for role, tenant in tenants.items():
            number = await tenant.bought()
            call = await gateway.teli.call(
                ORGANIZATION, "+12025550101", number["phone_number"], user_id=USER, direction="inbound", ago_seconds=60
            )
            own[role] = {
                "user_id": [USER], "organization_id": [ORGANIZATION], "area_code": ["313"], "call_id": [call],
                "create_number.tenant_id": [TELI_TENANT], "create_campaign.tenant_id": [TELI_TENANT],
                "number_id": [number["id"]],
            }  # fmt: skip
        of_staff = await _for_staff(gateway)
        of_finance = of_staff | await _for_finance(gateway, Tenant(gateway.http, "", staff["finance"]))
        of_neighbour, of_foreigner = await _identifiers(gateway, neighbour), await _identifiers(gateway, foreigner)
        victims = {name: of_neighbour[name] + of_foreigner[name] for name in of_neighbour}
        of_both = [*_all(of_foreigner), ELSEWHERE, SOMEBODY, *HIDDEN]
        texts = {role: list(of_both) for role in (*SCOPES, NOBODY)}
        for role in texts.keys() - {"viewer"}:
            texts[role] += [*_all(of_neighbour), *SEEN]
        # Finance explains what every tenant is charged for; how purchases were asked for is none of its business.
        texts["finance"] = [HIDDEN[3], SEEN[3]]
        lived_by = await gateway.sql(
            "SELECT id::text FROM api_keys WHERE tenant_id IS NULL OR tenant_id = ANY(:tenants)"
            " UNION SELECT id::text FROM accounts WHERE name = 'default'",
            tenants=[tenant.id for tenant in tenants.values()],
        )
        return cls(
            gateway,
            neighbour,
            Known(
                {role: tenant.key for role, tenant in tenants.items()} | staff,
                own | dict.fromkeys(STAFF, of_staff) | {"finance": of_finance},
                victims | {"organization_id": [ELSEWHERE], "user_id": [SOMEBODY]},
                frozenset(
                    one
                    for some in (
                        *(victims[name] for name in ("number_id", "phone_number", "tenant_id", "key_id")),
                        [tenant.id for tenant in tenants.values()],
                        [ORGANIZATION, USER, ELSEWHERE, SOMEBODY],
                        [one for (one,) in lived_by],
                    )
                    for one in some
                ),
            ),
            {role: re.compile(b"|".join(re.escape(one.encode()) for one in found)) for role, found in texts.items()},
        )  # fmt: skip

    async def holdings(self) -> list[tuple[Any, ...]]:
        """What the victims hold, which no role but staff may change."""
        return await self.gateway.sql(
            "SELECT to_jsonb(n) FROM numbers n WHERE tenant_id = ANY(:tenants) ORDER BY id",
            tenants=self.known.victims["tenant_id"],
        )

    async def mend(self) -> None:
        """Undo what an administrator may do that would end all purchases."""
        for body in await self.gateway.sql("SELECT scope, id FROM stops"):
            scope, of = body
            order = {"scope": scope, "reason": "mended"} | ({} if scope == "global" else {"id": of})
            await self.gateway.admin.send("POST", "/v1/admin/resume", json=order)
        await self.gateway.admin.send("PUT", "/v1/admin/deployment/quotas", json=NO_LIMITS)
        await self.gateway.services.version.look()

    async def work(self) -> None:
        """What the worker would do of orders and what they owe Teli."""
        for (account,) in await self.gateway.sql("SELECT id FROM accounts WHERE name = 'default'"):
            await self.gateway.worker.order_work.run(account)
            await self.gateway.follow_up()


async def _for_staff(gateway: Gateway) -> dict[str, list[Any]]:
    """What administrators and operators may do anything to."""
    administration = gateway.services.administration
    scratch = [f"scratch-{number}" for number in range(3)]
    for tenant_id in scratch:
        await administration.put_tenant(AUTHOR, tenant_id, "Scratch", [ORGANIZATION])
    keys = [await administration.issue_key(AUTHOR, scratch[0], name=f"k{n}", scopes=["numbers:read"]) for n in "12"]
    further = await gateway.services.accounts.create(
        AUTHOR, name="further", base_url="https://teli.example", teli_tenant_id="further", key="a-key-of-teli"
    )
    for person in ("ada", "bob"):
        await gateway.services.sessions.begin("https://a.example", person, [], actor=f"person:{person}", request_id="r")
    haunted = await gateway.tenant()
    for _ in range(3):
        await haunted.bought()
    await gateway.follow_up()  # Whatever would confirm them has been.
    await gateway.sql(
        "UPDATE numbers SET acquired_at = '2026-01-01Z', confirmed_at = NULL, upstream_row_id = NULL"
        " WHERE tenant_id = :tenant",
        tenant=haunted.id,
    )
    return {
        "tenant_id": scratch, "key_id": [str(key.id) for key in keys], "organization_id": ["scratch-organization"],
        "user_id": ["scratch-user"], "organization_ids": [[]], "create_key.organization_ids": [None],
        "account_id": [str(further["id"])],
        "resolve_doubt.decision": ["refused"], "resolve_orphan.decision": ["ignore"],
        "stop_purchases.id": scratch, "resume_purchases.id": scratch,
    }  # fmt: skip


async def _for_finance(gateway: Gateway, finance: Tenant) -> dict[str, list[Any]]:
    """Invoices that were read, some of them matched, and what is disputed of one. A file is hard to hit upon."""
    [[account]] = await gateway.sql("SELECT id::text FROM accounts WHERE name = 'default'")
    invoices, disputes = [], []
    for place in range(4):
        file = f"Number,From,To,Amount,Currency\n+1202555{place:04},2026-01-01,2026-02-01,2.99,USD\nnobody,,,x,USD\n"
        filed = await finance.send(
            "POST", "/v1/billing/invoices", content=file.encode(), headers={"Content-Type": "text/csv"},
            params={"period": "2026-01", "account_id": account},
        )  # fmt: skip
        assert filed.status_code == 201, filed.text
        invoices.append(filed.json()["id"])
    while await gateway.worker.billing.invoice_reading.step():
        continue
    for invoice in invoices[:3]:
        path = f"/v1/billing/invoices/{invoice}"
        dropped = await finance.send("POST", f"{path}/rejects/resolve", json={"decision": "drop"})
        assert dropped.status_code == 200, dropped.text
        assert (await finance.send("POST", f"{path}/match", json={})).status_code == 202
        await gateway.worker.billing.match_work.run()
    for invoice in invoices[:2]:
        opened = await finance.send(
            "POST",
            "/v1/billing/disputes",
            json={"invoice_id": invoice, "title": "Never ours", "verdicts": ["never_ours"]},
        )
        assert opened.status_code == 201, opened.text
        disputes.append(opened.json()["id"])
    return {"invoice_id": invoices, "dispute_id": disputes}


# By catalogue, not by list: a table that comes later is held to the same.
TABLES_WITH_IDS = """
    SELECT c.table_name FROM information_schema.columns c
    WHERE c.table_schema = 'public' AND c.column_name = 'id' AND c.data_type = 'uuid'
      AND EXISTS (SELECT FROM information_schema.columns o
                  WHERE o.table_name = c.table_name AND o.table_schema = 'public' AND o.column_name = 'tenant_id')
    ORDER BY 1"""


async def _identifiers(gateway: Gateway, tenant: Tenant) -> dict[str, list[str]]:
    """Of everything a tenant has, by the name of a parameter that takes it, or by the collection in its path."""

    async def column(statement: str) -> list[str]:
        found = await gateway.sql(f"{statement} ORDER BY 1", tenant=tenant.id)
        return [str(value) for (value,) in found if value is not None]

    tables = {
        table.replace("_", "-"): await column(f"SELECT id FROM {table} WHERE tenant_id = :tenant")
        for (table,) in await gateway.sql(TABLES_WITH_IDS)
    }
    found = {
        "number_id": tables["numbers"],
        # A released one may be sold to anybody.
        "phone_number": await column("SELECT phone_number FROM numbers WHERE tenant_id = :tenant AND state = 'active'"),
        "operation_id": sorted([*tables["intents"], *tables["steps"]]),
        "key_id": tables["api-keys"],
        "item_id": await column("SELECT id FROM intents WHERE tenant_id = :tenant AND state = 'doubtful'"),
        "tenant_id": [tenant.id],
    }
    assert all(found[name] for name in ("number_id", "phone_number", "operation_id", "key_id"))
    return tables | found


def _all(identifiers: dict[str, list[str]]) -> list[str]:
    return sorted({value for values in identifiers.values() for value in values})
