"""Five tenants of two organisations, with rows of every kind, each of which bears the name of whose it is."""

import json
from dataclasses import dataclass, field
from datetime import date
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from service.billing.invoices.models import Invoice, InvoiceProfile
from service.http.examples import EXAMPLES
from service.kit.crypto import Secret
from service.reconciliation.grounds import packed
from service.tenants.administration import TENANT_SCOPES
from service.tenants.keys import key_hash, make_key
from service.webhooks.secrets import make_secret, seal
from tests.access.roles import GROUPS, NEAR, ROLES, TOKENS_FOR, Role
from tests.conftest import SECRET
from tests.support.gateway import AUTHOR, ORGANIZATION, USER, Gateway
from tests.support.identity_provider import PUBLIC_URL, Provider

FAR = "1762896364768x000000000000000002"
ORGANIZATIONS = {"one": NEAR, "peer": NEAR, "suspended": NEAR, "closed": NEAR, "far": FAR}
SECOND_USER, FAR_USER = "1762896366429x000000000000000003", "1762896366429x000000000000000004"
USERS = {NEAR: USER, FAR: FAR_USER}
assert NEAR == ORGANIZATION


@dataclass(frozen=True)
class Thing:
    """What a request names. `named` fills in the path, the query and the body; `tenant`, `organization`: whose it is.

    `state`: `missing` names nothing, `malformed` cannot name anything; any other is the entry's to know.
    """

    name: str
    named: dict[str, str] = field(default_factory=dict)
    tenant: str | None = None
    organization: str | None = None
    state: str = "there"


@dataclass
class World:
    """`things` by their kind. `marks`: whatever tells of rows, by whose they are: a tenant, or an organisation."""

    gateway: Gateway
    provider: Provider
    keys: dict[str, str] = field(default_factory=dict)
    things: dict[str, list[Thing]] = field(default_factory=dict)
    marks: dict[str, set[str]] = field(default_factory=dict)
    serial: "count[int]" = field(default_factory=lambda: count(100))

    @property
    def issuer(self) -> str:
        return self.provider.issuer

    async def insert(self, table: str, *, by: str | None = None, **values: Any) -> None:
        """As the worker, or, where the worker may not, as a request of the tenant `by`, of an administrator ("*") or of
        finance ("finance").
        """
        names = ", ".join(values)
        given = ", ".join(f"CAST(CAST(:{name} AS text) AS {type_of(table, name)})" for name in values)
        statement = f"INSERT INTO {table} ({names}) SELECT {given}"
        if by is None:
            await self.gateway.sql(statement, **values)
            return
        staff = {"*": "admin", "finance": "finance"}
        who: dict[str, Any] = {"duty": staff[by], "sees": ["*"]} if by in staff else {"tenant": by}
        async with self.gateway.services.database.acting(**who) as session:
            await session.execute(text(statement), values)

    def add(self, kind: str, thing: Thing) -> None:
        self.things.setdefault(kind, []).append(thing)


IMPORT_PREVIEW = (
    '{"count": 1, "selected": 1, "beyond": false, "sample": [], "costs": [], "limits_passed": [],'
    ' "skipped": {"count": 0, "reasons": []}}'
)
PREVIEW = '{"count": 1, "selected": 1, "sample": [], "skipped": {"count": 0, "reasons": []}}'
TYPES = {
    "sealed": "bytea", "position": "bigint", "attempts": "int",
    "hash": "bytea", "fingerprint": "bytea", "payload": "bytea", "scopes": "text[]", "sees": "text[]", "tags": "text[]",
    "answer": "jsonb", "change": "jsonb", "selection": "jsonb", "preview": "jsonb",
    "shown": "jsonb", "digest": "bytea", "to_do": "int", "seq": "int", "organization_ids": "text[]",
    "user_ids": "text[]",
    "filters": "jsonb", "wish": "jsonb", "before": "jsonb", "after": "jsonb", "slot": "smallint", "status": "int",
    "amount": "bigint", "leads": "int", "invalid_leads": "int",
    "since": "timestamptz",
}  # fmt: skip


def type_of(table: str, column: str) -> str:
    ids = ("id", "account_id", "intent_id", "number_id", "order_id", "endpoint_id", "event_id")
    if column in ids and (table, column) != ("stops", "id"):
        return "uuid"
    if column.endswith("_at") or column == "lease_until":
        return "timestamptz"
    return TYPES.get(column, "text")


def trusting(provider: Provider) -> dict[str, Any]:
    """The settings of a gateway where people log in, and services come with tokens."""
    return {
        "oidc_issuer": provider.issuer,
        "oidc_client_id": "numbergate",
        "oidc_client_secret": "a secret of the tests",
        "oidc_roles": json.dumps(GROUPS),
        "public_url": PUBLIC_URL,
        "key_environment": "test",
        "token_issuers": provider.issuer,
        "token_audience": TOKENS_FOR,
        "token_scopes": " ".join(TENANT_SCOPES),
    }


async def made(gateway: Gateway, provider: Provider) -> World:
    world = World(gateway, provider)
    await gateway.teli.organization("your_tenant", unique_id=FAR)
    await gateway.teli.user(FAR, unique_id=FAR_USER)
    administration = gateway.services.administration
    # The gateway files it of itself, when first a price is looked for.
    await gateway.services.pricing.ensure_default()
    world.marks[FAR] = {FAR, FAR_USER, "far organisation's"}
    world.marks[NEAR] = set()
    await administration.put_organization(AUTHOR, FAR, "far organisation's")
    for organization, user in ((FAR, FAR_USER), (NEAR, SECOND_USER)):
        await administration.put_user(AUTHOR, organization, user, {"name": f"{user} {organization}"})
    [[account]] = await gateway.sql("SELECT id::text FROM accounts")
    # Listed by Teli since the world began, and long gone: a ghost is what no listing shows.
    for place, (tenant, organization) in enumerate(ORGANIZATIONS.items()):
        world.marks[tenant] = {f"tenant-{tenant}", f"{tenant}'s"}
        await administration.put_tenant(AUTHOR, f"tenant-{tenant}", f"{tenant}'s", [organization])
        await _fill(world, tenant, organization, account, place)
    await _nobodys(world)
    further = await gateway.services.accounts.create(
        AUTHOR, name="further", base_url="https://teli.example", teli_tenant_id="further", key="a-key-of-teli"
    )
    world.add("account", Thing("further account", {"account_id": str(further["id"])}))
    await gateway.services.sessions.begin("https://a.example", "ada", ["x"], actor="person:ada", request_id="world")
    [[session]] = await gateway.sql("SELECT id::text FROM sessions")
    world.add("session", Thing("a person's session", {"session_id": session}))
    await _invoice(world, account)
    await _disputed(world)
    world.add("account of an invoice", Thing("an account", {"account_id": account}))
    for state in ("suspended", "closed"):
        [[held]] = await gateway.sql("SELECT used FROM quotas WHERE tenant_id = :id", id=f"tenant-{state}")
        await administration.put_tenant(AUTHOR, f"tenant-{state}", state=state, confirm_numbers_held=held)
    await gateway.worker.numbering.number()
    for role in ROLES.values():
        await _give_key(world, role)
    for role in ROLES.values():
        if role.sends is not None and not isinstance(role.sends, dict):
            await role.sends(world)
    await gateway.services.version.look()
    return world


async def _fill(world: World, tenant: str, organization: str, account: str, place: int) -> None:
    """What a tenant may have, by hand: so it is there at once, and known to the letter."""
    whose = {"tenant_id": f"tenant-{tenant}"}
    user = USERS[organization]
    of = {**whose, "account_id": account, "organization_id": organization, "user_id": user}
    marks = world.marks[tenant]

    async def number(name: str, state: str, user_id: str = user, *, confirmed: bool = True) -> None:
        number_id, intent_id = str(uuid4()), str(uuid4())
        phone = f"+1734555{next(world.serial):04}"
        await world.insert(
            "numbers", **of | {"user_id": user_id}, id=number_id, intent_id=intent_id, phone_number=phone, pretty=phone,
            area_code="313", state=state, mark="", nickname=f"{tenant}'s {name}", cost_center=f"{tenant}'s",
            tags=f"{{{tenant}'s}}", acquired_at="2026-01-01Z", confirmed_at="2026-01-01Z" if confirmed else None,
            upstream_row_id=f"row-{number_id}" if confirmed else None,
            released_at="2026-01-02Z" if state == "released" else None,
        )  # fmt: skip
        await world.insert(
            "intents", **of, id=intent_id, area_code="313", wish="{}", mark=f"{tenant}'s mark", state="owned",
            request_id=f"{tenant}'s request", admitted_at="2026-01-01Z", lease_until="2026-01-01Z", slot="1",
            number_id=number_id, answer='{"status": 200, "headers": {}, "body": "{}"}',
        )  # fmt: skip
        await world.insert(
            "agent_links", **whose, number_id=number_id, direction="inbound", desired=f"{tenant}'s agent"
        )
        marks.update((number_id, intent_id, phone))
        thing = Thing(f"{tenant}'s {name}", {"number_id": number_id, "phone_number": phone}, tenant, organization, name)
        world.add("ghost" if name == "ghost" else "number", thing)
        if name == "ghost":
            thing.named["item_id"] = number_id
        else:
            named = {"operation_id": intent_id}
            world.add("operation", Thing(f"purchase of {thing.name}", named, tenant, organization))

    await number("number", "active")
    await number("released number", "released")
    await number("ghost", "active", confirmed=False)
    if tenant == "one":
        await number("other user's number", "active", SECOND_USER)
    await _campaign_and_call(world, tenant, of, organization)
    number_id = world.things["number"][-1].named["number_id"]
    step_id, doubt_id, orphan_id, key_id = (str(uuid4()) for _ in range(4))
    await world.insert(
        "steps", **whose, id=step_id, number_id=number_id, kind="release", state="done", due_at="2026-01-01Z",
        outcome=f"{tenant}'s outcome", actor=f"{tenant}'s actor", answer='{"status": 200, "body": "{}"}',
    )  # fmt: skip
    world.add("operation", Thing(f"{tenant}'s release", {"operation_id": step_id}, tenant, organization))
    drift_id = str(uuid4())
    mine = next(one for one in world.things["number"] if one.name == f"{tenant}'s number")
    await world.insert(
        "drifts", **whose, id=drift_id, number_id=mine.named["number_id"], member="nickname",
        ours=f"{tenant}'s number", theirs=f"{tenant}'s desk", state="open", since="2026-01-01Z", seen_at="2026-01-02Z",
    )  # fmt: skip
    world.add("drift", Thing(f"{tenant}'s drift", {"drift_id": drift_id}, tenant, organization))
    marks.add(drift_id)
    await world.insert(
        "intents", **of, id=doubt_id, area_code="313", wish="{}", mark=f"{tenant}'s mark", state="doubtful",
        request_id=f"{tenant}'s request", admitted_at="2026-01-01Z", lease_until="2026-01-01Z", slot="1",
    )  # fmt: skip
    await world.gateway.sql("UPDATE quotas SET reserved = 1 WHERE tenant_id = :id", id=whose["tenant_id"])
    await world.insert("attempts", **whose, intent_id=doubt_id, admitted_at="2026-01-01Z")
    await world.insert(
        "evidence", **whose, intent_id=doubt_id, heard_at="2026-01-01Z", kind="answer", status="500",
        body=f"{tenant}'s evidence",
    )  # fmt: skip
    grounds = "\\x" + packed({"rows": [], "looks": [], "rows_left_out": 0}).hex()
    await world.insert("decided_on", **whose, intent_id=doubt_id, kind="absent", payload=grounds)
    world.add("doubt", Thing(f"{tenant}'s doubt", {"item_id": doubt_id}, tenant, organization))
    await world.insert(
        "orphans", **of, id=orphan_id, area_code="313", phone_number=f"+1734556{place:04}",
        nickname=f"{tenant}'s orphan", reason=f"{tenant}'s reason",
    )  # fmt: skip
    world.add("orphan", Thing(f"{tenant}'s orphan", {"item_id": orphan_id}, tenant, organization))
    world.add(
        "number",
        Thing(f"{tenant}'s orphan", {"phone_number": f"+1734556{place:04}", "number_id": orphan_id}, state="missing"),
    )
    order_id = str(uuid4())
    await world.insert(
        "orders", by=whose["tenant_id"], **whose, id=order_id, actor=f"{tenant}'s actor", kind="release",
        state="previewed",
        change='{"release": {}}', selection="{}", digest="x", preview=PREVIEW, to_do="1",
        organization_ids=f"{{{organization}}}", user_ids=f"{{{user}}}", expires_at="2100-01-01Z",
    )  # fmt: skip
    await world.insert(
        "order_items", by=whose["tenant_id"], **whose, order_id=order_id, seq="0", account_id=account,
        number_id=number_id,
        phone_number=f"+1734556{place:04}", shown="{}", outcome="waiting", detail=f"{tenant}'s detail",
    )  # fmt: skip
    world.add("order", Thing(f"{tenant}'s order", {"order_id": order_id}, tenant, organization))
    marks.add(order_id)
    await world.insert(
        "api_keys", **whose, id=key_id, kind="service", name=f"{tenant}'s key", hash=str(uuid4()), hint="abcd",
        scopes="{numbers:read}",
    )  # fmt: skip
    state = "closed" if tenant == "closed" else "there"
    world.add("key", Thing(f"{tenant}'s key", {"key_id": key_id}, tenant, organization, state))
    await world.insert(
        "idempotency_keys", **whose, scope="create", key=f"{tenant}'s key", fingerprint="x", intent_id=doubt_id
    )
    await world.insert(
        "audit", **whose, actor=f"{tenant}'s actor", action="x", object_kind="number", object_id=number_id
    )
    await world.gateway.sql(
        "INSERT INTO outbox (tenant_id, kind, number_id, payload) VALUES (:id, 'x', CAST(:number AS uuid), '{}')",
        id=whose["tenant_id"], number=number_id,
    )  # fmt: skip
    await _filter(world, tenant, organization, f"{tenant}'s filter")
    # Of one tenant of each organisation, so that there are those who are granted it and are not the author.
    if tenant in ("closed", "far"):
        await _filter(world, tenant, organization, f"filter in {organization}", shared=organization)
    budget = str(uuid4())
    await world.insert(
        "budgets", by="finance", **whose, id=budget, name=f"{tenant}'s budget", organization_id=organization,
        currency="USD", amount="1", created_by="x",
    )  # fmt: skip
    world.add("budget", Thing(f"{tenant}'s budget", {"budget_id": budget}, tenant, organization))
    marks.add(budget)
    hook, delivery = str(uuid4()), str(uuid4())
    sealed = seal(world.gateway.settings.keyring, UUID(hook), make_secret())
    await world.insert(
        "webhook_endpoints", by=whose["tenant_id"], **whose, id=hook, url="https://127.0.0.1/", state="active",
        description=f"{tenant}'s hook", sealed="\\x" + sealed.data.hex(), key_id=sealed.key_id, position="1",
    )  # fmt: skip
    await world.insert(
        "webhook_deliveries", **whose, endpoint_id=hook, seq="1", id=delivery, event_id=str(uuid4()), kind="x",
        state="delivered", attempts="1", error=f"{tenant}'s error",
    )  # fmt: skip
    world.add("webhook", Thing(f"{tenant}'s webhook", {"endpoint_id": hook}, tenant, organization))
    named = {"endpoint_id": hook, "delivery_id": delivery}
    world.add("delivery", Thing(f"{tenant}'s delivery", named, tenant, organization))
    marks.update((hook, delivery))
    if tenant in ("suspended", "closed"):
        await world.insert("stops", scope="tenant", id=f"tenant-{tenant}", reason=f"{tenant}'s reason", actor="x")
    marks.update((step_id, doubt_id, orphan_id, key_id, f"+1734556{place:04}"))
    world.add("tenant", Thing(f"tenant {tenant}", {"tenant_id": f"tenant-{tenant}"}, tenant, organization, tenant))


async def _filter(world: World, tenant: str, organization: str, name: str, shared: str | None = None) -> None:
    filter_id, owner = str(uuid4()), f"tenant-{tenant}"
    await world.insert(
        "saved_filters", by=owner, id=filter_id, tenant_id=owner, organization_id=shared, name=name, filters="{}",
        created_at="2026-01-01Z", updated_at="2026-01-01Z",
    )  # fmt: skip
    named = {"filter_id": filter_id} | ({"organization_id": shared} if shared else {})
    world.add("shared filter" if shared else "filter", Thing(name, named, tenant, organization))
    world.marks[shared or tenant].add(filter_id)


async def _invoice(world: World, account: str) -> None:
    """Finance's alone, with a row that waits for a decision; and a mapping of finance's own."""
    invoice_id, made = str(uuid4()), {"created_by": "finance"}
    finance = {"duty": "finance", "sees": ["*"]}
    async with world.gateway.services.database.acting(**finance) as session:
        session.add(
            Invoice(
                id=UUID(invoice_id), account_id=UUID(account), supplier="x", file_name="x", content_hash=b"x",
                mapping=EXAMPLES["MappingBody"], currency="USD", month=date(2026, 10, 1), state="held", size=1,
                rejected=1, **made,
            )
        )  # fmt: skip
        session.add(InvoiceProfile(name="carrier", mapping=EXAMPLES["MappingBody"], **made))
    await world.gateway.sql(
        "INSERT INTO invoice_rejects (invoice_id, place, line, cells, text, faults)"
        " VALUES (CAST(:id AS uuid), 17, 18, '{}', 'x', '[]')", id=invoice_id,
    )  # fmt: skip
    world.add("invoice", Thing("invoice", {"invoice_id": invoice_id}))
    world.add("invoice profile", Thing("invoice profile", {"profile_name": "carrier"}))


async def _import(world: World, organization: str) -> None:
    """An administrator's, of numbers of one organisation."""
    import_id, name = str(uuid4()), f"import into {organization}"
    await world.insert(
        "orders", by="*", id=import_id, actor="an administrator", kind="import", state="previewed",
        change='{"import": {"source": "csv"}}', selection='{"same_as": null}', digest="x", preview=IMPORT_PREVIEW,
        to_do="1", organization_ids=f"{{{organization}}}", user_ids="{}", expires_at="2100-01-01Z",
    )  # fmt: skip
    await world.insert(
        "order_items", by="*", order_id=import_id, seq="2", phone_number="+13135550142", outcome="waiting",
    )  # fmt: skip
    world.add("import", Thing(name, {"import_id": import_id}, None, organization))


async def _campaign_and_call(world: World, tenant: str, of: dict[str, str], organization: str) -> None:
    """A campaign whose creation is in doubt, so that Teli is not asked; and a call to the first of the numbers."""
    campaign, mine = str(uuid4()), f"{tenant}'s number"
    phone = next(one.named["phone_number"] for one in world.things["number"] if one.name == mine)
    await world.insert(
        "campaigns", by=of["tenant_id"], **of, id=campaign, campaign_id=f"{tenant}'s campaign", caller_id=phone,
        voice_agent_id="x", leads="1", invalid_leads="0", fingerprint="x", state="doubtful", actor=f"{tenant}'s actor",
        request_id=f"{tenant}'s request", lease_until="2026-01-01Z", look_at="2099-01-01Z",
    )  # fmt: skip
    named = {"campaign_id": f"{tenant}'s campaign"}
    world.add("campaign", Thing(named["campaign_id"], named, tenant, organization, "in doubt"))
    world.add(
        "operation", Thing(f"creation of {named['campaign_id']}", {"operation_id": campaign}, tenant, organization)
    )
    call = await world.gateway.teli.call(
        organization, "+14155550101", phone, user_id=of["user_id"], direction="inbound", ago_seconds=600
    )
    world.add("call", Thing(f"{tenant}'s call", {"call_id": call}, tenant, organization))
    world.marks[tenant].update((campaign, call))


DISPUTED = (
    """INSERT INTO invoices (id, account_id, supplier, number, file_name, content_hash, mapping, currency, month, state,
         size, created_by)
       SELECT :invoice, account_id, 'the supplier of the world', 'x', 'x', '', mapping, 'USD', '2026-01-01', 'matched',
         0, 'x' FROM invoices""",
    """INSERT INTO invoice_lines (invoice_id, place, kind, micros, currency, description)
       SELECT :invoice, place, 'other', 7, 'USD', 'a line of the supplier' FROM generate_series(1, 2) place""",
    """INSERT INTO invoice_matches (invoice_id, state, tolerance, asked_by, summary)
       VALUES (:invoice, 'done', 0, 'x', '[]')""",
    """INSERT INTO disputes (id, invoice_id, account_id, state, title, currency, lines, micros, created_by, changed_by)
       SELECT :dispute, :invoice, id, 'open', 'a dispute of the world', 'USD', 1, 7, 'x', 'x'
       FROM accounts WHERE name = 'default'""",
    """INSERT INTO dispute_lines (dispute_id, line, invoice_id, finding, place, verdict, kind, expected_micros,
         charged_micros, micros, open)
       VALUES (:dispute, 1, :invoice, 1, 1, 'never_ours', 'other', 0, 7, 7, true)""",
    """INSERT INTO dispute_attachments (id, dispute_id, by, name, media_type, size, hash, body)
       VALUES (:attachment, :dispute, 'x', 'x', 'text/plain', 1, '', 'x')""",
)
FOUND = """
    INSERT INTO invoice_findings (invoice_id, finding, place, verdict, kind, expected_micros, charged_micros,
                                  difference_micros)
    SELECT :invoice, place, place, 'never_ours', 'other', 0, 7, 7 FROM generate_series(1, 2) place"""


async def _disputed(world: World) -> None:
    """An invoice with two findings, of which one is in an open dispute."""
    ids = {name: uuid4() for name in ("invoice", "dispute", "attachment")}
    async with world.gateway.services.database.acting(duty="finance", sees=["*"]) as session:
        for statement in DISPUTED:
            await session.execute(text(statement), {name: ids[name] for name in ids if f":{name}" in statement})
    await world.gateway.sql(FOUND, invoice=ids["invoice"])
    world.add("matched invoice", Thing("the supplier's invoice", {"invoice_id": str(ids["invoice"])}))
    world.add("dispute", Thing("a dispute", {"dispute_id": str(ids["dispute"])}))
    named = {"dispute_id": str(ids["dispute"]), "attachment_id": str(ids["attachment"])}
    world.add("attachment", Thing("an attachment", named))


async def _nobodys(world: World) -> None:
    """What there is only once, what there is not, and what cannot be."""
    for organization, user in USERS.items():
        named = {"organization_id": organization, "user_id": user}
        world.add("organization", Thing("near" if organization == NEAR else "far", named, None, organization))
        await _import(world, organization)
    nothing = {
        "number": {"phone_number": "+17345559999", "number_id": str(uuid4())},
        "operation": {"operation_id": str(uuid4())},
        "order": {"order_id": str(uuid4())},
        "import": {"import_id": str(uuid4())},
        "drift": {"drift_id": str(uuid4())},
        "invoice": {"invoice_id": str(uuid4())},
        "invoice profile": {"profile_name": "nobodys"},
        "organization": {"organization_id": "1762896364768x000000000000000009", "user_id": "nobody"},
        "tenant": {"tenant_id": "tenant-nobody"},
        **{kind: {"item_id": str(uuid4())} for kind in ("doubt", "orphan", "ghost")},
        "key": {"key_id": str(uuid4())},
        "account": {"account_id": str(uuid4())},
        "session": {"session_id": str(uuid4())},
        "filter": {"filter_id": str(uuid4())},
        "shared filter": {"filter_id": str(uuid4()), "organization_id": NEAR},
        "budget": {"budget_id": str(uuid4())},
        "campaign": {"campaign_id": "nobody's"},
        "call": {"call_id": "call_nobodys"},
        "matched invoice": {"invoice_id": str(uuid4())},
        "dispute": {"dispute_id": str(uuid4())},
        "attachment": {"dispute_id": str(uuid4()), "attachment_id": str(uuid4())},
    }
    for kind, named in nothing.items():
        world.add(kind, Thing(f"no {kind}", named, state="missing"))
        if kind != "organization":
            malformed = Thing(f"malformed {kind}", dict.fromkeys(named, "~not-one~"), state="malformed")
            world.add(kind, malformed)
    world.add("itself", Thing("itself"))
    for name in ("numbers_held", "purchases_per_month", "doubts_open"):
        world.add("limit", Thing(name, {"name": name}))


async def _give_key(world: World, role: Role) -> None:
    if role.sends is not None:
        return
    key = world.keys[role.name] = make_key("test")
    if role.refused == "invalid_key" and role.tenant is None:
        return  # Well formed, and nobody's.
    await world.insert(
        "api_keys", id=str(uuid4()), kind=role.kind, tenant_id=f"tenant-{role.tenant}" if role.tenant else None,
        name=f"key of {role.name}", hint=key[-4:], scopes="{" + ",".join(role.scopes) + "}",
        sees="{" + ",".join(f'"{one}"' for one in role.sees) + "}",
        hash="\\x" + key_hash(Secret(SECRET), key).hex(),
        expires_at="2026-01-01Z" if role.refused == "expired_key" else None,
        revoked_at="2026-01-01Z" if role.refused == "revoked_key" else None,
    )  # fmt: skip
