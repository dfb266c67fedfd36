"""Buying and giving back, hop by hop: the carrier, the voice provider, Teli's own store."""

from dataclasses import dataclass

from service.simulator import identifiers, nanp
from service.simulator.errors import Refusal, refusal
from service.simulator.reply import Reply, ok
from service.simulator.state.carrier import Purchase
from service.simulator.state.records import Record
from service.simulator.state.switches import Switches
from service.simulator.state.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A number somebody wants."""

    area_code: str
    tenant_id: str
    organization_id: str | None
    user_id: str | None
    nickname: str | None
    phone_type: str = "voice"
    inbound_agent_id: str | None = None


def out_of_stock(area_code: str) -> Refusal:
    """The documented 500; it looks the same for an area code that cannot exist."""
    message = f"No numbers available in area code {area_code}"
    return refusal(500, "Failed to provision phone number", message=message)


def bought(phone_number: str) -> Reply:
    """The documented answer of a create."""
    return ok(
        phone_number=phone_number,
        phone_number_pretty=nanp.pretty(phone_number),
        area_code=nanp.area_code_of(phone_number),
        phone_number_type="teli-voice-twilio",
    )


def buy(world: World, wish: Wish, *, by: str, request_id: int | None = None) -> Purchase | None:
    """First hop, where money is spent: the carrier sells a number and billing begins. None when it has none."""
    with world.db.together():
        number = world.stock.take(wish.area_code, recycled=world.switches.recycle_released)
        if number is None:
            return None
        now = world.clock.now()
        purchase = world.carrier.sell(
            number,
            now,
            phone_type=wish.phone_type,
            tenant_id=wish.tenant_id,
            organization_id=wish.organization_id,
            user_id=wish.user_id,
            nickname=wish.nickname,
            by=by,
            request_id=request_id,
        )
        world.billing.start(purchase.purchase_id, now)
    return purchase


def record(world: World, purchase: Purchase, wish: Wish, *, list_lag: float = 0) -> Record:
    """Third hop: Teli writes its own row. `list_lag` is how many seconds listings do without it."""
    now = world.clock.now()
    made = Record(
        id=identifiers.row_id(),
        purchase_id=purchase.purchase_id,
        phone_number=purchase.phone_number,
        phone_type=purchase.phone_type,
        tenant_id=wish.tenant_id,
        organization_id=wish.organization_id,
        user_id=wish.user_id,
        nickname=stored_nickname(wish.nickname, world.switches),
        inbound_agent_id=wish.inbound_agent_id,
        created_at=now,
        listed_from=now + list_lag,
    )
    world.records.write(made)
    return made


def buy_completely(world: World, wish: Wish) -> Purchase | None:
    """All hops at once, as somebody does it in Teli's dashboard."""
    purchase = buy(world, wish, by="dashboard")
    if purchase is not None:
        world.provider.link(purchase.purchase_id)
        record(world, purchase, wish)
    return purchase


def give_back(world: World, purchase_id: int, phone_number: str, *, by: str) -> None:
    """The carrier takes a number back; a purchase that had ended stays as it was."""
    with world.db.together():
        if world.carrier.take_back(purchase_id, world.clock.now(), by):
            world.stock.put_back(phone_number)


def remove(world: World, purchase_id: int) -> None:
    """Teli forgets the row and bills it no longer."""
    now = world.clock.now()
    with world.db.together():
        world.records.delete(purchase_id, now)
        world.billing.stop(purchase_id, now)


def stored_nickname(nickname: str | None, switches: Switches) -> str | None:
    """What Teli keeps of a nickname, by the switch of that name."""
    match switches.nickname:
        case "dropped":
            return None
        case "trimmed":
            return nickname and nickname.strip()
        case "cut":
            return nickname and nickname[: switches.nickname_length]
        case _:
            return nickname
