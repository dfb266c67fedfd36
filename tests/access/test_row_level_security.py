"""Row-level security alone: the same matrix with every check of the service switched off.

In this build each key holds every scope, each organisation and tenant may be named, and no statement of the service nor
of the database's functions asks for the tenant: its conditions on it are made void as they are sent. What is left is
for whom a transaction acts, which is said once, where the caller is authenticated.
"""

import ast
import re
from asyncio import gather
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import event

from service.billing import statements
from service.inventory import inventory
from service.kit.types import OrganizationId
from service.numbers import endpoints as numbers
from service.orders import bulk
from service.tenants.principals import Principal
from service.tenants.visible import Visible
from tests.access.matrix import LedgerCopy, Operation, cells, leaks, operations, without_filters
from tests.access.roles import ROLES, Role
from tests.access.test_matrix import copy, document, gateway, world  # noqa: F401
from tests.access.world import ORGANIZATIONS, World

SERVICE = Path(__file__).parents[2] / "service"
# Where the service refuses somebody because of who asks. Each is switched off below.
CHECKS = {
    "service/billing/statements.py check_asked",
    "service/inventory/inventory.py check_asked",
    "service/inventory/saved/filters.py _check_wanted",
    "service/numbers/endpoints.py organization_of",
    "service/numbers/provisioning.py _admit",
    "service/orders/auth.py buying_for",
    "service/orders/auth.py check_own",
    "service/tenants/principals.py check_organization",
    "service/tenants/principals.py check_tenant_id",
    "service/tenants/principals.py need",
    "service/tenants/principals.py tenant",
    "service/webhooks/feed_endpoints.py check_unbound",
}
FUNCTIONS = """
    SELECT oid::regprocedure::text, pg_get_functiondef(oid) FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND NOT prosecdef AND prokind = 'f' ORDER BY 1"""


def _refusing(tree: ast.AST, names: set[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Raise) and inner.exc is not None:
                    raised = inner.exc.func if isinstance(inner.exc, ast.Call) else inner.exc
                    if isinstance(raised, ast.Name) and raised.id in names:
                        yield node.name


def test_every_check_of_the_service_is_known_here():
    """One that is added must be switched off in the build below, or that build proves less than it says."""
    refusals = {"ScopeMissing", "NotYourOrganization", "NotYourTenant"}
    found = {
        f"{path.relative_to(SERVICE.parent)} {name}"
        for path in SERVICE.rglob("*.py")
        for name in _refusing(ast.parse(path.read_text()), refusals)
    }
    assert found == CHECKS


async def _whoever_asks(caller: Principal, *_: Any) -> Principal:
    return caller


@pytest.fixture
async def unchecked(
    world: World,  # noqa: F811
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """The conditions that were made void: each statement, and how often."""
    void: Counter[str] = Counter()
    monkeypatch.setattr(Principal, "may", lambda *_: True)
    monkeypatch.setattr(Principal, "need", lambda *_: None)
    monkeypatch.setattr("service.webhooks.feed_endpoints.check_unbound", lambda *_: None)
    monkeypatch.setattr(Principal, "sees_organization", lambda *_: True)
    monkeypatch.setattr(Principal, "check_organization", lambda *_, **__: None)
    monkeypatch.setattr(Principal, "check_tenant_id", lambda *_: None)
    monkeypatch.setattr(Principal, "tenant", property(lambda self: self.tenant_id or "nobody"))
    monkeypatch.setattr(inventory, "check_asked", lambda *_: None)
    monkeypatch.setattr(statements, "check_asked", lambda *_: None)
    monkeypatch.setattr("service.inventory.saved.filters._check_wanted", lambda *_: None)
    monkeypatch.setattr(bulk, "check_asked", lambda *_: None)
    monkeypatch.setattr("service.orders.endpoints.buying_for", _whoever_asks)
    monkeypatch.setattr("service.orders.orders.check_own", lambda *_: None)
    monkeypatch.setattr(Visible, "conditions", lambda *_: [])
    monkeypatch.setattr(
        numbers, "organization_of", lambda caller, asked: OrganizationId(asked or caller.organization_ids[0])
    )

    def strip(*given: Any) -> tuple[str, Any]:
        statement, count = without_filters(given[2])
        if count:
            void[given[2]] += count
        return statement, given[3]

    engine = world.gateway.services.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", strip, retval=True)
    connection = await asyncpg.connect(database_url)
    was = await connection.fetch(FUNCTIONS)
    for name, definition in was:
        head, quote, body = re.split(r"(AS \$\w*\$)", definition, maxsplit=1)
        stripped, count = without_filters(body)
        if count:
            void[name] += count
            await connection.execute(head + quote + stripped)
    yield void
    for name, definition in was:
        if name in void:
            await connection.execute(definition)
    await connection.close()
    event.remove(engine, "before_cursor_execute", strip)


def foreign_marks(world: World, role: Role) -> set[str]:  # noqa: F811
    """Whatever tells of rows that this role may not see, by any policy."""
    found: set[str] = set()
    for whose, marks in world.marks.items():
        organization = ORGANIZATIONS.get(whose, whose)
        granted = role.tenant is not None and organization == ORGANIZATIONS[role.tenant] and whose not in ORGANIZATIONS
        if whose != role.tenant and not granted and not role.sees_organization(organization):
            found |= marks
    return found


# Of those to whom a row may be foreign, one for each way of seeing: scopes make no difference here.
BOUND = {
    (role.tenant, role.sees, role.kind): role
    for role in ROLES.values()
    if not (role.refused or role.is_staff or role.sends)
}.values()
ROLE = [role if role.tenant == "far" else pytest.param(role, marks=pytest.mark.ci) for role in BOUND]


# What is this kind's to change by any policy, and whose rows are no tenant's.
ITS_OWN = {
    "finance": (
        "create_price", "put_charging_rule", "close_period", "create_budget", "put_budget", "delete_budget",
        "create_invoice", "discard_invoice", "resolve_invoice_rejects", "put_invoice_profile",
        "match_invoice", "open_dispute", "move_dispute", "note_dispute", "attach_to_dispute",
    ),
}  # fmt: skip


@pytest.mark.timeout(600)
@pytest.mark.parametrize("role", ROLE, ids=lambda role: role.name)
async def test_row_level_security_alone_stops_every_other_tenant(
    role: Role,
    world: World,  # noqa: F811
    copy: LedgerCopy,  # noqa: F811
    document: dict[str, Any],  # noqa: F811
    unchecked: Counter[str],
    record_property: Any,
):
    statuses: Counter[int] = Counter()
    found = [one for one in operations(document) if one.name not in ITS_OWN.get(role.kind, ())]
    wrong = await trespasses(role, found, world, copy, statuses)
    assert not wrong, f"{len(wrong)} cells:\n" + "\n".join(wrong[:40])
    assert statuses[200] > 20, statuses
    assert len(unchecked) >= 13, unchecked
    record_property(
        "told",
        f"row-level security alone, {role.name}: {statuses.total()} cells, {len(unchecked)} statements unfiltered",
    )


HOLES = {
    "a table without it": "ALTER TABLE numbers DISABLE ROW LEVEL SECURITY",
    "a policy that lets all through": "CREATE POLICY hole ON intents TO numbergate_api USING (true)",
    "claims that are believed": "CREATE OR REPLACE FUNCTION act_as(tenant text, duty text, sees text[]) RETURNS void "
    "LANGUAGE sql AS $$ SELECT set_config('numbergate.tenant_id', coalesce(tenant, ''), true), "
    "set_config('numbergate.duty', duty, true), set_config('numbergate.sees', sees::text, true) $$",
}


@pytest.mark.ci
@pytest.mark.parametrize("hole", HOLES)
async def test_a_hole_in_row_level_security_is_found(
    hole: str,
    world: World,  # noqa: F811
    copy: LedgerCopy,  # noqa: F811
    document: dict[str, Any],  # noqa: F811
    unchecked: Counter[str],
    database_url: str,
):
    connection = await asyncpg.connect(database_url)
    await connection.execute(HOLES[hole])
    await connection.close()
    names = {"get_number", "get_operation", "put_tenant", "list_tenants"}
    found = [one for one in operations(document) if one.name in names]
    assert await trespasses(ROLES["tenant of another organisation"], found, world, copy, Counter())


async def trespasses(
    role: Role,
    found: Sequence[Operation],
    world: World,  # noqa: F811
    copy: LedgerCopy,  # noqa: F811
    statuses: Counter[int],
) -> list[str]:
    """Answers that tell of others' rows, and requests that changed any."""
    marks, own = foreign_marks(world, role), f"tenant-{role.tenant}"
    before = await copy.foreign(own)
    wrong: list[str] = []
    for group in cells(role, found, world):
        for cell, answer in zip(group, await gather(*(one.asked(world) for one in group)), strict=True):
            statuses[answer.status_code] += 1
            sent = str(answer.request.url) + answer.request.content.decode()
            if leaked := leaks(answer.text, marks, sent):
                wrong.append(f"{cell}: {answer.status_code} tells {sorted(leaked)[:3]}: {answer.text[:200]}")
        await world.gateway.services.numbers.follow_ups.drain()
        if (after := await copy.foreign(own)) != before:
            moved = [name for name in before if before[name] != after[name]]
            wrong.append(f"{group[0]} and the like: changed rows of others in {moved}")
            before = after
    return wrong
