"""Creates: voice numbers, and SMS numbers by the same hops."""

from dataclasses import replace

from service.simulator import nanp, trade
from service.simulator.call import Call
from service.simulator.errors import Refusal, invalid_input, refusal
from service.simulator.reply import Reply, ok
from service.simulator.state.carrier import Purchase
from service.simulator.state.world import World
from service.simulator.steps import Step
from service.simulator.trade import Wish


async def create(call: Call, world: World) -> Reply:
    """Buy a voice number."""
    wish = _checked(call, world)
    purchase, _ = await _bought(call, world, wish, trade.out_of_stock(wish.area_code))
    return trade.bought(purchase.phone_number)


async def create_result(call: Call, world: World) -> Reply:
    """Fetch the answer that a 303 promised. A second read fails, and is no create."""
    reply = await call.parked.fetch(call.text("__modal_function_call_id") or "")
    return reply or Reply(404, "modal-http: invalid function call id", "text/plain")


async def sms_purchase(call: Call, world: World) -> Reply:
    """Buy an SMS number. Out of stock is told in `error` here, and `stored` says whether Teli wrote it down."""
    area_code, organization_id = call.text("area_code"), call.text("organization_id")
    if area_code is None or organization_id is None:
        raise refusal(400, "organization_id and area_code required")
    wish = Wish(
        area_code=area_code,
        tenant_id=call.tenant_id,
        organization_id=organization_id,
        user_id=call.text("user_id"),
        nickname=call.text("nickname"),
        phone_type="sms",
    )
    empty = refusal(400, f"No numbers available in area code {area_code}")
    purchase, row_id = await _bought(call, world, wish, empty)
    return ok(
        phone_number=purchase.phone_number,
        phone_id=row_id,
        pretty_phone_number=nanp.pretty(purchase.phone_number),
        assigned_to=wish.user_id,
        stored=row_id is not None,
    )


async def _bought(call: Call, world: World, wish: Wish, empty: Refusal) -> tuple[Purchase, str | None]:
    """Pass the hops, and answer the purchase with the id of Teli's row where there is one."""
    purchase = trade.buy(world, wish, by="api", request_id=call.request_id)
    if purchase is None:
        raise empty
    await call.reached(Step.bought)

    if call.does(Step.linked):
        world.provider.link(purchase.purchase_id)
    await call.reached(Step.linked)

    row_id = None
    if call.does(Step.recorded):
        # The nickname is read again, for a fault may have changed it since the purchase.
        wish = replace(wish, nickname=call.text("nickname"), inbound_agent_id=call.text("inbound_agent_id"))
        row_id = trade.record(world, purchase, wish, list_lag=call.list_lag).id
    await call.reached(Step.recorded)
    return purchase, row_id


def _checked(call: Call, world: World) -> Wish:
    switches = world.switches
    area_code, user_id, organization_id = call.text("area_code"), call.text("user_id"), call.text("organization_id")
    if area_code is None or user_id is None:
        raise refusal(400, "area_code and user_id required")
    if switches.missing_ids == "refused" or switches.strict:
        for name in ("organization_id", "tenant_id"):
            if call.text(name) is None:
                raise refusal(400, f"{name} required")

    user = world.directory.user(user_id)
    known = user is not None and user.tenant_id == call.tenant_id
    if switches.unknown_owner == "refused" or switches.strict:
        if not known:
            raise refusal(400, "User not found")
        if organization_id not in (None, user.organization_id if user else None):
            raise refusal(400, "User does not belong to this organization")

    if not nanp.possible(area_code):
        match switches.impossible_area_code:
            case "400":
                raise refusal(400, "Invalid area code")
            case "422":
                raise invalid_input("area_code", "Value error, not an area code")
            case _:
                raise trade.out_of_stock(area_code)
    return Wish(
        area_code=area_code,
        tenant_id=call.tenant_id,
        organization_id=organization_id or (user.organization_id if user and known else None),
        user_id=user_id,
        nickname=call.text("nickname"),
    )
