"""A small world in which much collides: few accounts, tenants, organisations, users, slots and numbers."""

from datetime import timedelta
from random import Random
from uuid import UUID

from service.kit.clock import utc_now
from service.kit.types import OrganizationId, TenantId
from service.quotas.administration import LIMITS
from service.tenants.principals import Principal
from tests.fakes.world import World

FIRST, SECOND = UUID(int=1), UUID(int=2)
NORTH, SOUTH = "north", "south"
USERS = {NORTH: ("ann", "bob"), SOUTH: ("ann", "cat")}
TENANTS = {"alpha": FIRST, "beta": FIRST, "gamma": SECOND}
ORGANIZATIONS = {"alpha": (NORTH, SOUTH), "beta": (NORTH,), "gamma": (SOUTH,)}
TAGS = {"alpha": "AAAAA", "beta": "BBBBB", "gamma": "CCCCC"}
PHONES = tuple(f"+1313555010{digit}" for digit in range(8))
ROWS = tuple(f"row-{letter}" for letter in "abcdefgh")
KEYS = ("k1", "k2", "k3")
REPLICAS = (UUID(int=11), UUID(int=12))


def scene(chance: Random) -> World:
    world = World()
    for account, name in ((FIRST, "default"), (SECOND, "another")):
        world.add_account(
            id=account,
            name=name,
            teli_tenant_id="teli",
            slots=chance.choice((2, 4, 9)),
            mode=chance.choice(("lane", "lane", "mark")),
            listed_at=utc_now() - timedelta(hours=1) if chance.random() < 0.95 else None,
        )
    for organization, users in USERS.items():
        world.add_organization(organization)
        for user in users:
            world.add_user(
                organization,
                user,
                exclusive=chance.random() < 0.4,
                upstream_uuid=f"uuid-{user}" if chance.random() < 0.5 else None,
            )
    for tenant, account in TENANTS.items():
        made = world.add_tenant(tenant, account, ORGANIZATIONS[tenant], limit=chance.choice((None, None, 3, 8)))
        made.write_off = 3600.0 if account == FIRST else None
    for scope in (
        {"scope": "tenant", "tenant_id": chance.choice(list(TENANTS))},
        {"scope": "organization", "organization_id": NORTH},
        {"scope": "user", "organization_id": chance.choice((NORTH, SOUTH)), "user_id": "ann"},
        {"scope": "deployment"},
    ):
        if chance.random() < 0.4:
            limits = {name: chance.choice((None, 1, 3, 8)) for name in LIMITS if chance.random() < 0.3}
            time_zone = chance.choice(("UTC", "America/Detroit", "Asia/Kathmandu"))
            mode = chance.choice(("enforced", "enforced", "shadow", "off"))
            world.limit(**scope, **limits, mode=mode, time_zone=time_zone)
    for row in ROWS[:2]:
        if chance.random() < 0.2:
            world.add_existing(FIRST, row, chance.choice(PHONES), organization_id=NORTH)
    return world


def principal(tenant: str) -> Principal:
    return Principal(
        key_id=UUID(int=99),
        kind="service",
        tenant_id=TenantId(tenant),
        tag=TAGS[tenant],
        account_id=TENANTS[tenant],
        teli_tenant_id="teli",
        organization_ids=tuple(map(OrganizationId, ORGANIZATIONS[tenant])),
        sees=(),
        scopes=frozenset({"*"}),
        idempotency_required=False,
        expires_at=None,
    )
