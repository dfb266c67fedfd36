"""Release with second thoughts: owed at once, due at the end of a grace window, and taken back until then.

What is owed is the operation from the moment it was asked for, and counts in that month. At its end it is a release
like any other.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, update

from service.audit.entries import note
from service.db import Database
from service.http.problems import problem_body
from service.idempotency.once import Once
from service.kit.clock import rfc3339, utc_now
from service.kit.errors import StateConflict
from service.kit.money import month_after, months_begun
from service.numbers.auth import STAFF
from service.numbers.campaigning import check_no_campaign
from service.numbers.editing import acting_for_owner, held
from service.numbers.lookup import Named
from service.numbers.models import Step
from service.numbers.steps import called_for_at, owe
from service.numbers.telling import tell
from service.prices.pricing import next_charge_at
from service.quotas.counting import count_release, take_release_back
from service.tenants.principals import Principal

# Teli needs some time for a release, and stops only the next cycle.
BEFORE_THE_CHARGE = timedelta(hours=1)
MISSING = "This number is missing: Teli lists it no more, so there is nothing to wait for."
RESTORED = "This number was restored, and is not released."
TOO_LATE = "This number is {}; it cannot be restored any more."


def grace_ends(
    *, acquired_at: datetime, asked_at: datetime, grace: timedelta, charged_at: datetime | None = None
) -> datetime:
    """Until when a number can be restored: for the whole grace, or to an hour before it is charged next. Where that
    hour has begun the charge comes anyway, and the grace is whole.

    Args: charged_at, by the rule that finance filed; without one months are counted from the moment of the purchase.
    Source: design section 4.2.
    """
    if charged_at is None:
        charged_at = month_after(acquired_at, months_begun(acquired_at, asked_at))
    before_the_charge = charged_at - BEFORE_THE_CHARGE
    if asked_at <= before_the_charge:
        return min(asked_at + grace, before_the_charge)
    return asked_at + grace


class Grace:
    def __init__(self, database: Database, *, grace: timedelta) -> None:
        self._database = database
        self._grace = grace

    async def schedule(
        self, caller: Principal, which: Named, *, reason: str | None, force: bool, request_id: str, once: Once
    ) -> UUID:
        """Commit that a number is given back at the end of its grace; nothing, where it is being given back already.

        `force`: also out of a running campaign. Returns the number's id.
        Raises: NotFound, also for what the caller may not see or, seeing it, not release; StateConflict for one that is
            missing, or in a running campaign; QuotaExceeded.
        """
        async with acting_for_owner(self._database, caller, which, once) as (session, tenant, once):
            if (named := await once.before(session)) is not None:
                return UUID(named.answer["number_id"])
            number = await held(session, tenant, which)
            if number.state == "missing":
                raise StateConflict(MISSING)
            if number.state == "active":
                if not force:
                    await check_no_campaign(session, number.id)
                ends_at = grace_ends(
                    acquired_at=number.acquired_at,
                    asked_at=utc_now(),
                    grace=self._grace,
                    charged_at=await next_charge_at(session, number.id),
                )
                number.state = "release_scheduled"
                step_id = await owe(
                    session,
                    tenant,
                    number.id,
                    "release",
                    after=(ends_at - utc_now()).total_seconds(),
                    actor=caller.actor,
                    request_id=request_id,
                    reason=reason,
                )
                owner = tenant, number.organization_id, number.user_id
                asked = not caller.may(STAFF)
                await count_release(session, *owner, asked=asked, at=called_for_at(step_id))
                told = {"release_at": rfc3339(ends_at), "reason": reason}
                note(
                    session,
                    actor=caller.actor,
                    action="number.release_scheduled",
                    of=("number", str(number.id)),
                    tenant=tenant,
                    before={"state": "active"},
                    after={"state": number.state} | told,
                    request_id=request_id,
                )
                await tell(session, number, "number.release_scheduled", **told)
            await once.keep(session, answer={"number_id": str(number.id)})
        return number.id

    async def restore(
        self, caller: Principal, which: Named, *, reason: str | None, request_id: str, once: Once
    ) -> UUID:
        """Commit that a number is kept after all; nothing, where nobody is about to release it. Returns its id.

        Raises: NotFound, as `schedule`; StateConflict once its release has begun.
        """
        async with acting_for_owner(self._database, caller, which, once) as (session, tenant, once):
            if (named := await once.before(session)) is not None:
                return UUID(named.answer["number_id"])
            number = await held(session, tenant, which)
            if number.state not in ("active", "release_scheduled"):
                raise StateConflict(TOO_LATE.format(number.state))
            if number.state == "release_scheduled":
                number.state = "active"
                said = problem_body(StateConflict(RESTORED), request_id)
                owed = (
                    update(Step)
                    .where(Step.number_id == number.id, Step.kind == "release", Step.state.in_(("waiting", "running")))
                    .values(
                        state="cancelled",
                        outcome="restored",
                        ended_at=func.clock_timestamp(),
                        lease_until=None,
                        answer={"status": StateConflict.status, "body": said.decode()},
                    )
                    .returning(Step.id)
                )
                step_id = (await session.scalars(owed)).one()
                owner = tenant, number.organization_id, number.user_id
                await take_release_back(session, *owner, at=called_for_at(step_id))
                note(
                    session,
                    actor=caller.actor,
                    action="number.restored",
                    of=("number", str(number.id)),
                    tenant=tenant,
                    before={"state": "release_scheduled"},
                    after={"state": "active", "reason": reason},
                    request_id=request_id,
                )
                await tell(session, number, "number.restored")
            await once.keep(session, answer={"number_id": str(number.id)})
        return number.id
