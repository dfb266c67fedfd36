"""Who is there, and what a person does in Teli's dashboard without any event or API request."""

from dataclasses import asdict, replace
from typing import Any

from aiohttp import web
from pydantic import Field

from service.simulator import identifiers, trade
from service.simulator.control.commands import Command, Refused, answer, read
from service.simulator.state.calls import PhoneCall
from service.simulator.state.carrier import Purchase
from service.simulator.state.directory import Organization
from service.simulator.state.keys import KeyStatus
from service.simulator.state.world import World
from service.simulator.trade import Wish


class NewTenant(Command):
    """Give a tenant a key, or change a key's status."""

    tenant_id: str
    key: str
    status: KeyStatus = "active"


class NewOrganization(Command):
    """Add an organisation; its unique_id is made up unless given."""

    tenant_id: str
    unique_id: str | None = None
    name: str = "Organization"
    contact_email: str = "contact@example.com"


class NewUser(Command):
    """Add a user of an organisation."""

    organization_id: str
    unique_id: str | None = None
    name: str = "User"
    email: str | None = None
    permission: str = "user"


class NewAgent(Command):
    """Add a voice agent."""

    tenant_id: str
    name: str = "Agent"
    organization_id: str | None = None
    user_id: str | None = None


class NewCall(Command):
    """Let a call have taken place; `ago_seconds` is how long ago it began."""

    organization_id: str
    user_id: str | None = None
    voice_agent_id: str | None = None
    direction: str = Field(default="inbound", pattern="^(inbound|outbound)$")
    from_number: str
    to_number: str
    outcome: str = Field(default="ended", pattern="^(ended|error)$")
    ago_seconds: float = 60
    lasts_seconds: float = Field(default=42, ge=0)


class Buy(Command):
    """A person buys numbers for an organisation."""

    area_code: str
    organization_id: str
    user_id: str | None = None
    nickname: str | None = None
    count: int = Field(default=1, ge=1)


class Release(Command):
    """A person releases a number."""

    phone_number: str


class Rename(Command):
    """A person gives a number another nickname."""

    phone_number: str
    nickname: str | None


class Link(Command):
    """A person links agents to a number, or takes them off by null; what is absent stays."""

    phone_number: str
    inbound_agent_id: str | None = None
    outbound_agent_id: str | None = None


class Move(Command):
    """A person gives a number to another user of its organisation."""

    phone_number: str
    user_id: str


class Record(Command):
    """Teli's staff writes down a number that was bought and never recorded."""

    phone_number: str


class PeopleControl:
    """/_control/tenants, organizations, users, agents, calls and dashboard."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        """The routes of this part."""
        return [
            web.post("/_control/tenants", self._tenant),
            web.post("/_control/organizations", self._organization),
            web.post("/_control/users", self._user),
            web.post("/_control/agents", self._agent),
            web.post("/_control/calls", self._call),
            web.post("/_control/dashboard/buy", self._buy),
            web.post("/_control/dashboard/release", self._release),
            web.post("/_control/dashboard/rename", self._rename),
            web.post("/_control/dashboard/link", self._link),
            web.post("/_control/dashboard/move", self._move),
            web.post("/_control/dashboard/record", self._record),
        ]

    async def _tenant(self, request: web.Request) -> web.Response:
        new = await read(request, NewTenant)
        self._world.keys.set(new.key, new.tenant_id, new.status)
        return answer({"tenant_id": new.tenant_id, "status": new.status})

    async def _organization(self, request: web.Request) -> web.Response:
        new = await read(request, NewOrganization)
        made = self._world.directory.add_organization(
            new.tenant_id,
            self._world.clock.now(),
            name=new.name,
            contact_email=new.contact_email,
            unique_id=new.unique_id,
        )
        return answer(asdict(made))

    async def _user(self, request: web.Request) -> web.Response:
        new = await read(request, NewUser)
        unique_id = new.unique_id or identifiers.unique_id()
        made = self._world.directory.add_user(
            self._known(new.organization_id),
            self._world.clock.now(),
            name=new.name,
            email=new.email or f"{unique_id}@example.com",
            permission=new.permission,
            unique_id=unique_id,
        )
        return answer(asdict(made))

    async def _agent(self, request: web.Request) -> web.Response:
        new = await read(request, NewAgent)
        made = self._world.agents.add(
            new.tenant_id,
            self._world.clock.now(),
            name=new.name,
            organization_id=new.organization_id,
            user_id=new.user_id,
        )
        return answer(asdict(made))

    async def _call(self, request: web.Request) -> web.Response:
        new = await read(request, NewCall)
        started_at = self._world.clock.now() - new.ago_seconds
        made = PhoneCall(
            call_id=identifiers.hexadecimal("call"),
            campaign_id=None,
            tenant_id=self._known(new.organization_id).tenant_id,
            organization_id=new.organization_id,
            user_id=new.user_id,
            voice_agent_id=new.voice_agent_id,
            direction=new.direction,
            from_number=new.from_number,
            to_number=new.to_number,
            started_at=started_at,
            ended_at=started_at + new.lasts_seconds,
            outcome=new.outcome,
        )
        self._world.calls.add(made)
        return answer({"call_id": made.call_id})

    async def _buy(self, request: web.Request) -> web.Response:
        command = await read(request, Buy)
        wish = Wish(
            area_code=command.area_code,
            tenant_id=self._known(command.organization_id).tenant_id,
            organization_id=command.organization_id,
            user_id=command.user_id,
            nickname=command.nickname,
        )
        numbers = []
        for _ in range(command.count):
            purchase = trade.buy_completely(self._world, wish)
            if purchase is None:
                raise Refused(f"no numbers available in area code {command.area_code}")
            numbers.append(purchase.phone_number)
        return answer({"phone_numbers": numbers})

    async def _release(self, request: web.Request) -> web.Response:
        purchase = self._held((await read(request, Release)).phone_number)
        self._world.provider.unlink(purchase.purchase_id)
        trade.give_back(self._world, purchase.purchase_id, purchase.phone_number, by="dashboard")
        trade.remove(self._world, purchase.purchase_id)
        return answer({"phone_number": purchase.phone_number})

    async def _rename(self, request: web.Request) -> web.Response:
        command = await read(request, Rename)
        self._change(command.phone_number, nickname=command.nickname)
        return answer({"phone_number": command.phone_number, "nickname": command.nickname})

    async def _link(self, request: web.Request) -> web.Response:
        command = await read(request, Link)
        agents = command.model_dump(include=command.model_fields_set - {"phone_number"})
        self._change(command.phone_number, **agents)
        return answer({"phone_number": command.phone_number, **agents})

    async def _move(self, request: web.Request) -> web.Response:
        command = await read(request, Move)
        self._change(command.phone_number, user_id=command.user_id)
        return answer({"phone_number": command.phone_number, "user_id": command.user_id})

    def _change(self, phone_number: str, **values: Any) -> None:
        record = self._world.records.of_purchase(self._held(phone_number).purchase_id)
        if record is None:
            raise Refused(f"{phone_number} is not recorded")
        self._world.records.change(replace(record, **values))

    async def _record(self, request: web.Request) -> web.Response:
        purchase = self._held((await read(request, Record)).phone_number)
        if self._world.records.of_purchase(purchase.purchase_id) is not None:
            raise Refused(f"{purchase.phone_number} is recorded already")
        wish = Wish(
            area_code=purchase.phone_number[2:5],
            tenant_id=purchase.tenant_id,
            organization_id=purchase.organization_id,
            user_id=purchase.user_id,
            nickname=purchase.nickname,
            phone_type=purchase.phone_type,
        )
        return answer({"id": trade.record(self._world, purchase, wish).id})

    def _known(self, organization_id: str) -> Organization:
        organization = self._world.directory.organization(organization_id)
        if organization is None:
            raise Refused(f"unknown organization {organization_id}")
        return organization

    def _held(self, phone_number: str) -> Purchase:
        purchase = self._world.carrier.latest(phone_number)
        if purchase is None or purchase.released_at is not None:
            raise Refused(f"nobody holds {phone_number}")
        return purchase
