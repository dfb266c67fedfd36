"""Analytics: the only count of numbers that does not come from the listing."""

from datetime import UTC, datetime, time, timedelta

from service.simulator.call import Call
from service.simulator.errors import Refusal, refusal
from service.simulator.reply import Json, Reply, ok
from service.simulator.state.billing import Counts
from service.simulator.state.world import World

_DAYS = 30
_DOLLARS_A_SECOND = 0.002


async def overview(call: Call, world: World) -> Reply:
    """The whole tenant."""
    period = _Period(call, world)
    organizations = world.directory.organizations(call.tenant_id)
    users = sum(len(world.directory.users(organization.unique_id)) for organization in organizations)
    return ok(
        tenant_id=call.tenant_id,
        period=period.shown,
        **period.calls_and_costs(),
        organizations_count=len(organizations),
        users_count=users,
    )


async def organizations(call: Call, world: World) -> Reply:
    """Each organisation, its counts of numbers flat and without their costs."""
    period = _Period(call, world)
    rows = []
    for organization in world.directory.organizations(call.tenant_id):
        counts = period.counts(organization_id=organization.unique_id)
        spent = period.calls_and_costs(organization_id=organization.unique_id)
        del spent["cost_breakdown"]
        rows.append(
            {
                "organization_id": organization.unique_id,
                "organization_name": organization.name,
                **spent,
                "phone_rental_count": counts.rentals,
                "phone_purchase_count": counts.purchases,
            }
        )
    return ok(tenant_id=call.tenant_id, period=period.shown, count=len(rows), organizations=rows)


async def users(call: Call, world: World) -> Reply:
    """Each user of an organisation."""
    period = _Period(call, world)
    organization_id = call.text("organization_id")
    if organization_id is None:
        raise refusal(400, "organization_id required")
    rows = [
        {"user_id": user.unique_id, "name": user.name, **period.calls_and_costs(user_id=user.unique_id)}
        for user in world.directory.users(organization_id)
        if user.tenant_id == call.tenant_id
    ]
    return ok(period=period.shown, organization_id=organization_id, count=len(rows), users=rows)


async def usage(call: Call, world: World) -> Reply:
    """Calls of an organisation or a user; nothing about numbers."""
    owner = {name: value for name in ("organization_id", "user_id") if (value := call.text(name))}
    if not owner:
        raise Refusal(400, {"success": False, "error": "organization_id or user_id is required"})
    period = _Period(call, world)
    calls, seconds = world.calls.seconds(call.tenant_id, period.start, period.end, **owner)
    return ok(**owner, period=period.shown, total_voice_calls=calls, total_voice_seconds=seconds)


class _Period:
    """Whole days in UTC, both ends included; the last 30 by default."""

    def __init__(self, call: Call, world: World) -> None:
        self._tenant_id, self._world = call.tenant_id, world
        today = datetime.fromtimestamp(world.clock.now(), UTC).date()
        try:
            last = datetime.fromisoformat(call.text("end_date") or today.isoformat()).date()
            given = call.text("start_date")
            first = datetime.fromisoformat(given).date() if given else last - timedelta(days=_DAYS)
        except ValueError as fault:
            raise refusal(400, "start_date and end_date must be YYYY-MM-DD") from fault
        self.shown = {"start": first.isoformat(), "end": last.isoformat()}
        self.start = datetime.combine(first, time(), UTC).timestamp()
        self.end = datetime.combine(last + timedelta(days=1), time(), UTC).timestamp()

    def counts(self, **owner: str) -> Counts:
        """Numbers, as they stood some time ago when the counts are behind."""
        switches = self._world.switches
        end = min(self.end, self._world.clock.now() - switches.analytics_lag_seconds)
        return self._world.billing.counts(self._tenant_id, self.start, end, sms=switches.analytics_include_sms, **owner)

    def calls_and_costs(self, **owner: str) -> Json:
        """Calls, their cost and that of numbers, in dollars."""
        calls, seconds = self._world.calls.seconds(self._tenant_id, self.start, self.end, **owner)
        breakdown = self.counts(**owner).costs()
        total = seconds * _DOLLARS_A_SECOND + breakdown["phone_rental_cost"] + breakdown["phone_purchase_cost"]
        return {
            "total_voice_calls": calls,
            "total_voice_seconds": seconds,
            "total_cost": round(total, 2),
            "cost_breakdown": breakdown,
        }
