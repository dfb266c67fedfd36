"""What may be asked of the stores, in whatever order; each question draws its details from a chance of its own."""

from collections.abc import Mapping
from random import Random
from uuid import UUID

from service.kit.clock import utc_now
from tests.fakes.holdings import Holdings
from tests.fakes.looks import Looks
from tests.fakes.ordering import Ordering
from tests.fakes.play import give_up, is_unresolved, keep_after_all
from tests.fakes.scene import (
    FIRST,
    ORGANIZATIONS,
    PHONES,
    ROWS,
    SECOND,
    TENANTS,
    USERS,
)
from tests.fakes.world import World, alter


class Questions(Holdings, Looks, Ordering):
    async def administer(self, chance: Random) -> None:
        """An administrator, an operator or a sweep changes something."""
        tenant, organization = chance.choice(list(TENANTS)), chance.choice(list(USERS))
        account = TENANTS[tenant]
        user = (organization, chance.choice(USERS[organization]))
        number = chance.choice([*self.world.numbers.values(), None])
        match chance.choice(
            (
                "stop",
                "resume",
                "limit",
                "mode",
                "grant",
                "user",
                "tenant",
                "account",
                "existing",
                "adopt",
                "orphan",
                "missing",
                "missing",
            )
        ):
            case "stop":
                scope, of = chance.choice((("global", ""), ("tenant", tenant), ("account", str(account))))
                await self.both.change(lambda world: world.stop(scope, of), "stops")
            case "resume":
                await self.both.change(lambda world: world.stops.clear(), "stops")
            case "limit":
                limit = chance.choice((None, 0, 1, 3, 10))
                await self.both.change(
                    lambda world: world.limit("tenant", tenant_id=tenant, numbers_held=limit), "quotas"
                )
            case "mode":
                mode, listed_at = chance.choice(("lane", "mark")), utc_now()
                await self.both.change(
                    lambda world: alter(world.accounts[account], mode=mode, listed_at=listed_at), "accounts"
                )
            case "grant":
                change = World.revoke if (tenant, organization) in self.world.grants else World.grant
                await self.both.change(lambda world: change(world, tenant, organization), "grants")
            case "user":
                exclusive = chance.random() < 0.5
                await self.both.change(lambda world: alter(world.users[user], exclusive=exclusive), "users")
            case "tenant":
                state = chance.choice(("active", "active", "suspended"))
                await self.both.change(lambda world: alter(world.tenants[tenant], state=state), "tenants")
            case "account":
                bound, moved = chance.choice((None, None, FIRST, SECOND)), chance.choice((FIRST, SECOND))
                await self.both.change(
                    lambda world: alter(world.organizations[organization], account_id=bound), "organizations"
                )
                await self.both.change(lambda world: alter(world.tenants[tenant], account_id=moved), "tenants")
            case "existing":
                row, phone = chance.choice(ROWS), chance.choice(PHONES)
                owner = chance.choice((None, user[1], f"uuid-{user[1]}"))
                created_at = chance.choice((None, "", "1772366400000", "2026-02-28T10:00:00.000001", "2026-03-01"))
                await self.both.change(
                    lambda world: _existing(world, account, row, phone, user_id=owner, upstream_created_at=created_at),
                    "existing_numbers",
                )
            case "adopt":
                phone = chance.choice(PHONES)
                if self.world.live(account, phone) is None:
                    adopted = self.new_uuid()
                    await self.both.change(lambda world: _adopt(world, adopted, tenant, phone), "numbers", "quotas")
            case "orphan":
                decided = chance.choice(("ignored", "adopted", "open"))
                if self.world.orphans:
                    orphan = chance.choice(list(self.world.orphans.values()))
                    await self.both.change(lambda world: alter(orphan, state=decided), "orphans")
            case "missing" if number is not None and number.state == "active":
                await self.both.change(lambda world: give_up(world, number), "numbers", "quotas")
            case "missing" if number is not None and is_unresolved(self.world, number):
                await self.both.change(lambda world: keep_after_all(world, number), "numbers", "steps")


def _existing(world: World, account: UUID, row: str, phone_number: str, **values: str | None) -> None:
    if (account, row) in world.existing:
        alter(world.existing[account, row], gone_at=utc_now())
    else:
        world.add_existing(account, row, phone_number, **values)


def _adopt(world: World, number_id: UUID, tenant: str, phone_number: str) -> None:
    """As an operator gives an orphan to a tenant: it has no intent and no mark."""
    adopted = world.add_number(
        id=number_id, tenant_id=tenant, account_id=TENANTS[tenant], organization_id=ORGANIZATIONS[tenant][0],
        user_id="ann", phone_number=phone_number, pretty=phone_number, area_code="313", mark="", marked=False,
        state="active", acquired_at=utc_now(),
    )  # fmt: skip
    world.count_held(adopted, 1)


# How often each is asked, beside the others of its kind.
HAPPENINGS = {"wait": 10, "administer": 3}
PURCHASES = {
    "admit": 14, "admit_again": 6, "settle": 14, "named_by": 1, "look": 1, "leave_queue": 1, "lapse": 3, "keep_lost": 1,
    "keyed": 3, "crowd": 3, "undelivered": 4,
}  # fmt: skip
OUTCOMES = {"purchase": 8, "doubt": 4, "settle": 4, "give_back": 4, "lapse": 1}
STEPS = {"claim": 8, "claim_one": 5, "close": 6, "about_to_send": 4, "not_sent": 2, "get_step": 1}
NUMBERS = {
    "get_number": 1, "users": 2, "confirm": 6, "unmarked": 2, "want": 6, "push": 4, "begin_release": 5, "released": 3,
    "second_thoughts": 6,
    "earlier_rows": 2, "release_unresolved": 1, "in_question": 2,
}  # fmt: skip
SIGHTINGS = {
    "claim_places": 8, "forms": 1, "keep": 14, "close_older": 2, "ghost": 4, "doubts": 8, "doubt": 6,
    "bought_after_all": 4, "keyed": 2, "in_question": 2,
}  # fmt: skip
ORDERS = {
    "order": 8, "send_ordered": 16, "settle_ordered": 10, "cancel": 3, "give_up": 3, "close_orders": 3,
    "sold_out": 1,
}  # fmt: skip
# A sequence asks of a few kinds only: so more of them meet.
KINDS = (PURCHASES, ORDERS, ORDERS | PURCHASES, OUTCOMES | STEPS, OUTCOMES | NUMBERS, OUTCOMES | SIGHTINGS,
         OUTCOMES | STEPS | NUMBERS, PURCHASES | OUTCOMES | STEPS | NUMBERS | SIGHTINGS | ORDERS)  # fmt: skip


def questions_of(kind: Mapping[str, int]) -> list[str]:
    """Their names, each as often as its weight."""
    return [name for name, weight in [*HAPPENINGS.items(), *kind.items()] for _ in range(weight)]
