"""Faults of buying: what was bought, what was told of it, and what Teli remembers differ."""

from typing import Literal

from pydantic import Field

from service.simulator import trade
from service.simulator.call import Call
from service.simulator.errors import refusal
from service.simulator.faults.fault import CREATES, Fault
from service.simulator.reply import Answered, Reply
from service.simulator.state.world import World
from service.simulator.steps import Step

_FAILED = "Failed to provision phone number"


class OutOfStock(Fault):
    """The documented 500 that says no numbers are available, whatever the stock."""

    name = "out_of_stock"
    rows = (4,)
    operations = ("create",)
    step: Literal[Step.received] = Step.received

    async def strike(self, call: Call, world: World) -> None:
        raise Answered(Reply(500, trade.out_of_stock(str(call.value("area_code"))).body))


class NoNumber(Fault):
    """All is done, and a 2xx does not name the number: left out, null, with success false, or a 202."""

    name = "no_number"
    rows = (15,)
    operations = CREATES
    step: Literal[Step.answering] = Step.answering
    form: Literal["left_out", "null", "success_false", "accepted"] = "left_out"

    async def strike(self, call: Call, world: World) -> None:
        match self.form:
            case "left_out":
                reply = Reply(200, {"success": True, "powered_by": "Teli"})
            case "null":
                reply = Reply(200, {"success": True, "phone_number": None, "powered_by": "Teli"})
            case "success_false":
                reply = Reply(200, {"success": False, "phone_number": None, "powered_by": "Teli"})
            case "accepted":
                reply = Reply(202, {"success": True, "status": "processing", "powered_by": "Teli"})
        raise Answered(reply)


class OtherAreaCode(Fault):
    """A number of another area code than asked is bought, recorded and named."""

    name = "other_area_code"
    rows = (17,)
    operations = CREATES
    step: Literal[Step.received] = Step.received
    area_code: str = Field(default="989", pattern=r"^[2-9][0-8][0-9]$")

    async def strike(self, call: Call, world: World) -> None:
        call.fields = {**call.fields, "area_code": self.area_code}


class AlreadyHeld(Fault):
    """Nothing is bought, and 200 names a number that the tenant holds; without one, it has no effect."""

    name = "already_held"
    rows = (18,)
    operations = ("create",)
    step: Literal[Step.received] = Step.received
    phone_number: str | None = None

    async def strike(self, call: Call, world: World) -> None:
        key = world.keys.find(call.key)
        held = world.records.first_held(key.tenant_id) if key else None
        number = self.phone_number or (held.phone_number if held else None)
        if number is not None:
            raise Answered(trade.bought(number))


class NotRecorded(Fault):
    """Bought and billed, but Teli's own store never hears of it; answered by 500, or by 200 as if all were well."""

    name = "not_recorded"
    rows = (19, 46)
    operations = CREATES
    step: Literal[Step.linked] = Step.linked
    status: Literal[200, 500] = 500
    message: str | None = "Failed to store phone number"

    async def strike(self, call: Call, world: World) -> None:
        call.skip(Step.recorded)
        if self.status == 500:
            more = {} if self.message is None else {"message": self.message}
            call.answer_instead(Reply(500, refusal(500, _FAILED, **more).body))


class NotLinked(Fault):
    """Bought and recorded, but unusable at the voice provider; answered by 200 or by 500."""

    name = "not_linked"
    rows = (20,)
    operations = CREATES
    step: Literal[Step.bought] = Step.bought
    status: Literal[200, 500] = 200

    async def strike(self, call: Call, world: World) -> None:
        call.skip(Step.linked)
        if self.status == 500:
            call.answer_instead(Reply(500, refusal(500, _FAILED, message="Failed to link phone number").body))


class LateInList(Fault):
    """This one number stays out of every listing for some seconds of virtual time."""

    name = "late_in_list"
    rows = (21,)
    operations = CREATES
    step: Literal[Step.linked] = Step.linked
    seconds: float = Field(default=60.0, ge=0)

    async def strike(self, call: Call, world: World) -> None:
        call.list_lag = self.seconds


class NicknameChanged(Fault):
    """This one nickname is stored otherwise: lost, or replaced by a person's."""

    name = "nickname_changed"
    rows = (26,)
    operations = CREATES
    step: Literal[Step.bought] = Step.bought
    nickname: str | None = None

    async def strike(self, call: Call, world: World) -> None:
        call.fields = {**call.fields, "nickname": self.nickname}


class RivalPurchase(Fault):
    """At that moment somebody else buys a number in the same area code for the same user, in the dashboard."""

    name = "rival_purchase"
    rows = (27,)
    operations = CREATES
    step: Step = Step.bought
    nickname: str | None = None

    async def strike(self, call: Call, world: World) -> None:
        user = world.directory.user(call.text("user_id") or "")
        organization_id = call.text("organization_id") or (user.organization_id if user else None)
        organization = world.directory.organization(organization_id or "")
        if organization is not None:
            trade.buy_completely(
                world,
                trade.Wish(
                    area_code=str(call.value("area_code")),
                    tenant_id=organization.tenant_id,
                    organization_id=organization.unique_id,
                    user_id=call.text("user_id"),
                    nickname=self.nickname,
                ),
            )
