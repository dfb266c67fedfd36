"""What a person decides where nothing else can: doubts, orphans and ghosts. Each with a reason, audited.

A decision on something that was resolved meanwhile is refused and says how it was; nothing is decided twice.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.db import Database
from service.http.problems import MEDIA_TYPE, problem_body
from service.idempotency.answers import Answer
from service.kit.clock import rfc3339, utc_now
from service.kit.errors import Fault, InvalidRequest, NotFound
from service.kit.phone import E164, area_code_of, pretty
from service.kit.types import TenantId, new_id
from service.numbers.answers import sale
from service.numbers.errors import StateConflict, UpstreamRefused
from service.numbers.ledger import Ledger
from service.numbers.models import Intent, Number, Step
from service.numbers.release import answer_of
from service.numbers.repository import CHANGEABLE, close_as_released
from service.numbers.steps import owe
from service.outbox.events import record
from service.quotas.counting import count_held
from service.reconciliation.models import Orphan
from service.teli.reading import Sold
from service.tenants.models import Grant
from service.tenants.principals import Principal


class Decisions:
    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger

    async def own(
        self, caller: Principal, intent_id: UUID, phone_number: E164, *, reason: str, request_id: str
    ) -> dict[str, Any]:
        """A doubt was a purchase, of this number. An open orphan of that number is explained by it.

        Raises: NotFound; StateConflict where it was resolved meanwhile, or the number is another purchase's.
        """
        intent = await self._doubt(caller, intent_id)
        number_id = new_id()
        sold = Sold(phone_number, pretty(phone_number), area_code_of(phone_number), number_type=None)
        answer = sale(sold, number_id=number_id, operation_id=intent.id)
        number = {"id": str(number_id), **sold.as_json()}
        settled = await self._settle(caller, intent, reason, request_id, verdict="owned", answer=answer, number=number)
        if settled["state"] != "owned":
            raise StateConflict(f"{phone_number} is held by another purchase of this account; decide that one first.")
        async with self._database.acting(duty="operator", sees=caller.sees) as session:
            await session.execute(
                update(Orphan)
                .where(
                    Orphan.account_id == intent.account_id,
                    Orphan.phone_number == phone_number,
                    Orphan.state == "open",
                )
                .values(state="adopted")
            )
            self._note(session, caller, "doubt.owned", ("intent", intent.id), intent.tenant_id, reason, request_id)
        return {"id": intent.id, "state": "owned", "number_id": number_id}

    async def refuse(self, caller: Principal, intent_id: UUID, *, reason: str, request_id: str) -> dict[str, Any]:
        """A doubt bought nothing: its quota is free, its key keeps that answer.

        Raises: NotFound; StateConflict where it was resolved meanwhile.
        """
        intent = await self._doubt(caller, intent_id)
        error = UpstreamRefused("nothing; an operator looked and found that nothing was bought")
        body = problem_body(error, intent.request_id).decode()
        answer = Answer(error.status, {"content-type": MEDIA_TYPE}, body)
        await self._settle(caller, intent, reason, request_id, verdict="refused", answer=answer)
        async with self._database.acting(duty="operator", sees=caller.sees) as session:
            self._note(session, caller, "doubt.refused", ("intent", intent.id), intent.tenant_id, reason, request_id)
        return {"id": intent.id, "state": "refused", "number_id": None}

    async def _doubt(self, caller: Principal, intent_id: UUID) -> Intent:
        async with self._database.acting(duty="operator", sees=caller.sees) as session:
            intent = await session.get(Intent, intent_id)
        if intent is None:
            raise NotFound
        if intent.state not in ("doubtful", "unresolved"):
            raise resolved_before(intent)
        return intent

    async def _settle(
        self,
        caller: Principal,
        intent: Intent,
        reason: str,
        request_id: str,
        *,
        verdict: str,
        answer: Answer,
        number: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        settled = await self._ledger.settle(
            {
                "tenant_id": intent.tenant_id,
                "intent_id": str(intent.id),
                "request_id": request_id,
                "actor": caller.actor,
                "verdict": verdict,
                "reason": "operator",
                "evidence": {"at": rfc3339(utc_now()), "kind": "operator", "detail": reason},
                "answer": answer.as_json(),
                "number": number,
            },
        )
        if not settled["moved"] and settled["state"] not in ("doubtful", "unresolved"):
            raise StateConflict(f"This doubt was resolved meanwhile: {settled['state']}.", state=settled["state"])
        return settled

    async def adopt(
        self,
        caller: Principal,
        orphan_id: UUID,
        *,
        tenant_id: str | None,
        user_id: str | None,
        reason: str,
        request_id: str,
        release: bool = False,
    ) -> dict[str, Any]:
        """An orphan is a tenant's from now on; it counts, even past a limit, for it exists and is paid.

        With `release` only in order to be given back at once, with the care of any release.

        Raises: NotFound; StateConflict where it was decided; InvalidRequest where tenant or user are missing or wrong.
        """
        async with self._database.acting(duty="operator", sees=caller.sees) as session:
            orphan = await self._orphan(session, orphan_id)
            tenant = tenant_id or orphan.tenant_id
            user = user_id or orphan.user_id
            if missing := [name for name, value in (("tenant_id", tenant), ("user_id", user)) if value is None]:
                raise InvalidRequest(*(Fault(f"/{name}", "is required: this orphan names none") for name in missing))
        assert tenant is not None
        assert user is not None
        async with self._database.acting(tenant=tenant, duty="operator", sees=caller.sees) as session:
            orphan = await self._orphan(session, orphan_id)
            if orphan.organization_id is None or await session.get(Grant, (tenant, orphan.organization_id)) is None:
                raise InvalidRequest(Fault("/tenant_id", "has no grant for the organisation that Teli names"))
            number = Number(
                id=new_id(),
                tenant_id=tenant,
                account_id=orphan.account_id,
                organization_id=orphan.organization_id,
                user_id=user,
                phone_number=orphan.phone_number,
                pretty=pretty(E164(orphan.phone_number)),
                area_code=orphan.phone_number[2:5],
                nickname=orphan.nickname,
                upstream_nickname=orphan.nickname,
                state="releasing" if release else "active",
                tags=[],
                intent_id=None,
                mark="",
                marked=False,
                acquired_at=utc_now(),
                upstream_row_id=orphan.row_id,
                confirmed_at=utc_now() if orphan.row_id else None,
            )
            session.add(number)
            orphan.state = "released" if release else "adopted"
            await count_held(session, tenant, 1)
            await session.flush()
            if release:
                await owe(session, tenant, number.id, "release")
            elif orphan.row_id is None:
                await owe(session, tenant, number.id, "confirm")
            done = "orphan.released" if release else "orphan.adopted"
            self._note(session, caller, done, ("orphan", orphan_id), tenant, reason, request_id)
            await record(session, tenant, "number.adopted", number_id=number.id, phone_number=number.phone_number)
        return {"id": orphan_id, "state": orphan.state, "number_id": number.id}

    async def ignore(self, caller: Principal, orphan_id: UUID, *, reason: str, request_id: str) -> dict[str, Any]:
        """An orphan is nobody's concern here. Raises: NotFound; StateConflict where it was decided."""
        async with self._database.acting(duty="operator", sees=caller.sees) as session:
            orphan = await self._orphan(session, orphan_id)
            orphan.state = "ignored"
            self._note(session, caller, "orphan.ignored", ("orphan", orphan_id), None, reason, request_id)
        return {"id": orphan_id, "state": "ignored", "number_id": None}

    async def _orphan(self, session: AsyncSession, orphan_id: UUID) -> Orphan:
        orphan = await session.get(Orphan, orphan_id, with_for_update=True)
        if orphan is None:
            raise NotFound
        if orphan.state != "open":
            raise StateConflict(f"This orphan was decided before: {orphan.state}.", state=orphan.state)
        return orphan

    async def missing(self, caller: Principal, number_id: UUID, *, reason: str, request_id: str) -> dict[str, Any]:
        """A ghost is gone: it no longer counts. Seen again in a listing, it is held again.

        One whose release is unresolved is released then, for good.

        Raises: NotFound; StateConflict for a number that was released or given up, or whose release is under way.
        """
        tenant = await self._tenant_of(caller, number_id)
        async with self._database.acting(tenant=tenant, duty="operator", sees=caller.sees) as session:
            number, release = await self._ghost(session, number_id)
            self._note(session, caller, "ghost.missing", ("number", number_id), tenant, reason, request_id)
            if release is not None:
                why = "a person found it gone"
                released_at = await close_as_released(
                    session, number, actor=caller.actor, why=why, request_id=request_id
                )
                release.state, release.outcome = "done", why
                release.answer = answer_of(release, number, released_at, again=True)
            else:
                number.state = "missing"
                await count_held(session, tenant, -1)
                await record(session, tenant, "number.missing", number_id=number_id)
        return {"id": number_id, "state": number.state, "number_id": number_id}

    async def still_ours(self, caller: Principal, number_id: UUID, *, reason: str, request_id: str) -> dict[str, Any]:
        """A ghost is held all the same, whatever the listing shows; it is listed again if it comes and goes once more.

        One whose release is unresolved is active again, and that release has failed. One that was never listed is back
        on the list a settling window later.

        Raises: as `missing`.
        """
        tenant = await self._tenant_of(caller, number_id)
        async with self._database.acting(tenant=tenant, duty="operator", sees=caller.sees) as session:
            number, release = await self._ghost(session, number_id)
            if release is not None:
                error = StateConflict("It was not released: a person found that it is still held.")
                body = problem_body(error, release.request_id or request_id).decode()
                release.state, release.outcome = "failed", "a person found it still held"
                release.answer = {"status": error.status, "body": body}
                number.state = "active"
            await session.execute(
                update(Number).where(Number.id == number_id).values(still_ours_at=func.clock_timestamp())
            )
            self._note(session, caller, "ghost.still_ours", ("number", number_id), tenant, reason, request_id)
            await record(session, tenant, "number.still_ours", number_id=number_id, state=number.state)
        return {"id": number_id, "state": number.state, "number_id": number_id}

    async def _ghost(self, session: AsyncSession, number_id: UUID) -> tuple[Number, Step | None]:
        """The number, locked, and its release where that is unresolved.

        Raises: StateConflict where nothing of it can be decided, and says how it stands.
        """
        number = await session.get_one(Number, number_id, with_for_update=True)
        if number.state == "releasing":
            release = await session.scalar(
                select(Step)
                .where(Step.number_id == number_id, Step.kind == "release")
                .order_by(Step.created_at.desc())
                .limit(1)
                .with_for_update()
            )
            if release is not None and release.state == "unresolved":
                return number, release
            raise StateConflict("The release of this number is under way.", state=number.state)
        if number.state not in CHANGEABLE:
            when = f" at {rfc3339(number.released_at)}" if number.released_at else ""
            raise StateConflict(f"This was resolved meanwhile: the number is {number.state}{when}.", state=number.state)
        return number, None

    async def _tenant_of(self, caller: Principal, number_id: UUID) -> TenantId:
        async with self._database.acting(duty="operator", sees=caller.sees) as session:
            tenant = await session.scalar(select(Number.tenant_id).where(Number.id == number_id))
        if tenant is None:
            raise NotFound
        return TenantId(tenant)

    def _note(
        self,
        session: AsyncSession,
        caller: Principal,
        action: str,
        of: tuple[str, UUID],
        tenant: str | None,
        reason: str,
        request_id: str,
    ) -> None:
        note(
            session, actor=caller.actor, action=action, of=(of[0], str(of[1])), tenant=tenant, after={"reason": reason},
            request_id=request_id,
        )  # fmt: skip


def resolved_before(intent: Intent) -> StateConflict:
    return StateConflict(f"This doubt was resolved meanwhile: {intent.state}, {intent.decision}.", state=intent.state)
