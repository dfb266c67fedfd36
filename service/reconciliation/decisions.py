"""What a person decides where nothing else can: doubts, orphans and ghosts. Each with a reason, audited.

A decision on something that was resolved meanwhile is refused and says how it was; nothing is decided twice.
"""

from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.actions import ACTIONS, Action, ObjectKind
from service.audit.entries import note
from service.db import Database, act_as
from service.http.problems import MEDIA_TYPE, problem_body
from service.idempotency.answers import Answer
from service.idempotency.once import UNKEYED, Once
from service.kit.clock import rfc3339, utc_now
from service.kit.errors import Fault, InvalidRequest, NotFound, StateConflict
from service.kit.phone import E164, area_code_of, pretty
from service.kit.types import TenantId, new_id
from service.numbers.answers import sale
from service.numbers.errors import NothingBought
from service.numbers.ledger import ring
from service.numbers.marks import mark_of
from service.numbers.members import CHANGEABLE
from service.numbers.models import Intent, Number, Step
from service.numbers.release import answer_of
from service.numbers.repository import close_as_released
from service.numbers.steps import called_for_at, owe
from service.numbers.telling import tell
from service.quotas.counting import count_held, count_release, hold_quotas
from service.reconciliation.adoption import (
    claimed_by_doubts,
    faults_of,
    held_before,
    held_before_us,
    held_by_another,
    number_of,
    row_of,
)
from service.reconciliation.lists import is_ghost
from service.reconciliation.models import Orphan, UpstreamRow
from service.teli.reading import Sold
from service.tenants.principals import Principal


class Decisions:
    """`window`: the settling window; `mark_keep`: seconds until the mark of an adopted number is to be taken off."""

    def __init__(self, database: Database, *, window: timedelta, mark_keep: float) -> None:
        self._database = database
        self._window = window
        self._mark_keep = mark_keep

    async def own(
        self,
        caller: Principal,
        intent_id: UUID,
        phone_number: E164,
        *,
        reason: str,
        request_id: str,
        once: Once = UNKEYED,
    ) -> dict[str, Any]:
        """A doubt was a purchase, of this number. An open orphan of that number is explained by it.

        Raises: IdempotencyKeyReused; NotFound; StateConflict where it was resolved meanwhile, or the number is another
            purchase's, or another owner's, or the doubt has candidates and this is none of them.
        """
        async with self._database.acting(duty="operator", sees=caller.sees) as session:
            if (named := await once.before(session)) is not None:
                return named.answer
            intent = await self._doubt(session, intent_id)
            was = intent.state
            await self._may_be_its_own(session, intent, phone_number)
            await session.execute(
                update(Orphan)
                .where(
                    Orphan.account_id == intent.account_id,
                    Orphan.phone_number == phone_number,
                    Orphan.state == "open",
                )
                .values(state="adopted")
            )
            number_id = new_id()
            sold = Sold(phone_number, pretty(phone_number), area_code_of(phone_number), number_type=None)
            answer = sale(sold, number_id=number_id, operation_id=intent.id)
            number = {"id": str(number_id), **sold.as_json()}
            state = await self._settle(
                session, caller, intent, reason, request_id, verdict="owned", answer=answer, number=number
            )
            if state != "owned":
                raise StateConflict(
                    f"{phone_number} is held by another purchase of this account; decide that one first."
                )
            self._note(
                session, caller, "doubt.owned", ("intent", intent.id), intent.tenant_id, reason, request_id,
                states=(was, "owned"),
            )  # fmt: skip
            decided = {"id": intent_id, "state": "owned", "number_id": number_id}
            await once.keep(session, answer=decided)
        return decided

    async def refuse(
        self, caller: Principal, intent_id: UUID, *, reason: str, request_id: str, once: Once = UNKEYED
    ) -> dict[str, Any]:
        """A doubt bought nothing: its quota is free, its key keeps that answer.

        Raises: IdempotencyKeyReused; NotFound; StateConflict where it was resolved meanwhile.
        """
        async with self._database.acting(duty="operator", sees=caller.sees) as session:
            if (named := await once.before(session)) is not None:
                return named.answer
            intent = await self._doubt(session, intent_id)
            was = intent.state
            error = NothingBought("an operator looked, and found no purchase")
            body = problem_body(error, intent.request_id).decode()
            answer = Answer(error.status, {"content-type": MEDIA_TYPE}, body)
            await self._settle(session, caller, intent, reason, request_id, verdict="refused", answer=answer)
            self._note(
                session, caller, "doubt.refused", ("intent", intent.id), intent.tenant_id, reason, request_id,
                states=(was, "refused"),
            )  # fmt: skip
            decided = {"id": intent_id, "state": "refused", "number_id": None}
            await once.keep(session, answer=decided)
        return decided

    async def _may_be_its_own(self, session: AsyncSession, intent: Intent, phone_number: E164) -> None:
        """Raises: StateConflict where what is known of the number, or of the doubt, speaks against it."""
        rows = await session.scalars(
            select(UpstreamRow).where(
                UpstreamRow.account_id == intent.account_id,
                UpstreamRow.phone_number == phone_number,
                UpstreamRow.gone_at.is_(None),
            )
        )
        orphans = await session.scalars(
            select(Orphan).where(
                Orphan.account_id == intent.account_id,
                Orphan.phone_number == phone_number,
                Orphan.state == "open",
            )
        )
        known: list[UpstreamRow | Orphan] = [*rows, *orphans]
        candidates = set(
            await session.scalars(
                select(Orphan.phone_number).where(
                    Orphan.account_id == intent.account_id,
                    Orphan.organization_id == intent.organization_id,
                    Orphan.state == "open",
                    Orphan.created_at > intent.admitted_at,
                    or_(Orphan.user_id == intent.user_id, Orphan.user_id.is_(None)),
                )
            )
        )
        if any(_is_anothers(one, intent) for one in known):
            raise StateConflict(f"{phone_number} is listed for another owner, or with another purchase's mark.")
        if candidates and phone_number not in candidates:
            told = ", ".join(sorted(candidates)[:5])
            raise StateConflict(f"{phone_number} is no candidate of this doubt; decide those that are first: {told}.")

    async def _doubt(self, session: AsyncSession, intent_id: UUID) -> Intent:
        intent = await session.get(Intent, intent_id)
        if intent is None:
            raise NotFound
        if intent.state not in ("doubtful", "unresolved"):
            raise resolved_before(intent)
        return intent

    async def _settle(
        self,
        session: AsyncSession,
        caller: Principal,
        intent: Intent,
        reason: str,
        request_id: str,
        *,
        verdict: str,
        answer: Answer,
        number: dict[str, Any] | None = None,
    ) -> str:
        """The function `settle` of the database, in this transaction. Returns the state that the intent has now."""
        ask = {
            "tenant_id": intent.tenant_id,
            "intent_id": str(intent.id),
            "request_id": request_id,
            "actor": caller.actor,
            "verdict": verdict,
            "reason": "operator",
            "evidence": {"at": rfc3339(utc_now()), "kind": "operator", "detail": reason},
            "answer": answer.as_json(),
            "number": number,
        }
        settled = await session.scalar(select(func.settle(literal(ask, JSONB))))
        assert isinstance(settled, dict)
        ring(settled, str(intent.id))
        await act_as(session, tenant=None, duty="operator", sees=caller.sees)  # It acted for the tenant.
        state = str(settled["state"])
        if not settled["moved"] and state not in ("doubtful", "unresolved"):
            raise StateConflict(f"This doubt was resolved meanwhile: {state}.", state=state)
        return state

    async def adopt(
        self,
        caller: Principal,
        orphan_id: UUID,
        *,
        tenant_id: str | None,
        user_id: str | None,
        reason: str,
        request_id: str,
        once: Once = UNKEYED,
        release: bool = False,
    ) -> dict[str, Any]:
        """An orphan is a tenant's from now on; it counts, even past a limit, for it exists and is paid.

        With `release` only in order to be given back at once, with the care of any release.

        Raises: IdempotencyKeyReused; NotFound; StateConflict where it was decided, is listed no more, is held by
            another acquisition, or may be what a purchase in doubt bought; InvalidRequest where tenant or user are
            missing or wrong.
        """
        try:
            async with self._database.acting(duty="operator", sees=caller.sees) as session:
                if (named := await once.before(session)) is not None:
                    return named.answer
                orphan = await self._orphan(session, orphan_id)
                await claimed_by_doubts(session, orphan)
                await held_before_us(session, orphan)
                tenant = tenant_id or orphan.tenant_id
                user = user_id or orphan.user_id
                if missing := [name for name, value in (("tenant_id", tenant), ("user_id", user)) if value is None]:
                    raise InvalidRequest(
                        *(Fault(f"/{name}", "is required: this orphan names none") for name in missing)
                    )
                assert tenant is not None
                assert user is not None
                await act_as(session, tenant=tenant, duty="operator", sees=caller.sees)
                row = await row_of(session, orphan)
                if faults := await faults_of(session, orphan, tenant=tenant, user=user, to_keep=not release):
                    raise InvalidRequest(*faults)
                if (older := await held_before(session, orphan, row)) is not None:
                    await hold_quotas(session)
                    await self._close(session, caller, older, orphan, tenant, request_id)
                number = await number_of(session, orphan, row, tenant=tenant, user=user, at=utc_now())
                number.state = "releasing" if release else "active"
                session.add(number)
                done: Literal["adopted", "released"] = "released" if release else "adopted"
                self._decide(session, caller, orphan, done, tenant, reason, request_id)
                await session.flush()
                # After all rows, as everywhere: then nobody waits for one who waits for him.
                await hold_quotas(session)
                await count_held(session, tenant, number.organization_id, number.user_id, 1)
                if release:
                    step_id = await owe(session, tenant, number.id, "release")
                    at = called_for_at(step_id)
                    await count_release(session, tenant, number.organization_id, number.user_id, asked=False, at=at)
                elif number.confirmed_at is None:
                    await owe(session, tenant, number.id, "confirm")
                if number.marked and number.confirmed_at is not None:
                    await owe(session, tenant, number.id, "unmark", after=self._mark_keep, request_id=request_id)
                await tell(session, number, "number.adopted")
                decided = {"id": orphan_id, "state": orphan.state, "number_id": number.id}
                await once.keep(session, answer=decided)
        except IntegrityError as error:
            if not held_by_another(error):
                raise
            raise StateConflict(
                "This number is held by another acquisition; it is decided there, or this orphan ignored."
            ) from error
        return decided

    async def _close(
        self, session: AsyncSession, caller: Principal, older: Number, orphan: Orphan, tenant: str, request_id: str
    ) -> None:
        """The number is there under a row that is new, and the older one gone: whoever held it before has lost it.

        That may be another tenant, whose rows can be written only for it: the session acts for that one meanwhile.
        """
        await act_as(session, tenant=older.tenant_id, duty="operator", sees=caller.sees)
        await session.refresh(older, with_for_update=True)
        if older.state != "released":
            why = f"held again under row {orphan.row_id}"
            await close_as_released(session, older, actor=caller.actor, why=why, request_id=request_id)
        await session.flush()
        await act_as(session, tenant=tenant, duty="operator", sees=caller.sees)

    async def ignore(
        self, caller: Principal, orphan_id: UUID, *, reason: str, request_id: str, once: Once = UNKEYED
    ) -> dict[str, Any]:
        """An orphan is nobody's concern here.

        Raises: IdempotencyKeyReused; NotFound; StateConflict where it was decided.
        """
        async with self._database.acting(duty="operator", sees=caller.sees) as session:
            if (named := await once.before(session)) is not None:
                return named.answer
            orphan = await self._orphan(session, orphan_id)
            self._decide(session, caller, orphan, "ignored", orphan.tenant_id, reason, request_id)
            decided = {"id": orphan_id, "state": "ignored", "number_id": None}
            await once.keep(session, answer=decided)
        return decided

    async def _orphan(self, session: AsyncSession, orphan_id: UUID) -> Orphan:
        orphan = await session.get(Orphan, orphan_id, with_for_update=True)
        if orphan is None:
            raise NotFound
        if orphan.state != "open":
            raise StateConflict(f"This orphan was decided before: {orphan.state}.", state=orphan.state)
        return orphan

    def _decide(
        self,
        session: AsyncSession,
        caller: Principal,
        orphan: Orphan,
        done: Literal["adopted", "released", "ignored"],
        tenant: str | None,
        reason: str,
        request_id: str,
    ) -> None:
        """The orphan is decided; `tenant`: whose it is from then on."""
        before = {"state": orphan.state, "tenant_id": orphan.tenant_id, "phone_number": orphan.phone_number}
        orphan.state = done
        note(
            session,
            actor=caller.actor,
            action=ACTIONS[f"orphan.{done}"],
            of=("orphan", str(orphan.id)),
            tenant=tenant,
            before=before,
            after=before | {"state": done, "tenant_id": tenant, "reason": reason},
            request_id=request_id,
        )

    async def missing(
        self, caller: Principal, number_id: UUID, *, reason: str, request_id: str, once: Once = UNKEYED
    ) -> dict[str, Any]:
        """A ghost is gone: it no longer counts. Seen again in a listing, it is held again.

        One whose release is unresolved is released then, for good.

        Raises: IdempotencyKeyReused; NotFound; StateConflict for a number that is no ghost, or no longer.
        """
        tenant = await self._tenant_of(caller, number_id)
        async with self._database.acting(tenant=tenant, duty="operator", sees=caller.sees) as session:
            if (named := await once.before(session)) is not None:
                return named.answer
            number, release = await self._ghost(session, number_id)
            self._note(
                session, caller, "ghost.missing", ("number", number_id), tenant, reason, request_id,
                states=(number.state, "missing" if release is None else "released"),
            )  # fmt: skip
            if release is not None:
                why = "a person found it gone"
                released_at = await close_as_released(
                    session, number, actor=caller.actor, why=why, request_id=request_id
                )
                release.state, release.outcome = "done", why
                release.answer = answer_of(release, number, released_at, again=True)
            else:
                number.state = "missing"
                await count_held(session, tenant, number.organization_id, number.user_id, -1)
                await tell(session, number, "number.missing")
            decided = {"id": number_id, "state": number.state, "number_id": number_id}
            await once.keep(session, answer=decided)
        return decided

    async def still_ours(
        self, caller: Principal, number_id: UUID, *, reason: str, request_id: str, once: Once = UNKEYED
    ) -> dict[str, Any]:
        """A ghost is held all the same, whatever the listing shows; it is listed again if it comes and goes once more.

        One whose release is unresolved is active again, and that release has failed. One that was never listed is back
        on the list a settling window later.

        Raises: as `missing`.
        """
        tenant = await self._tenant_of(caller, number_id)
        async with self._database.acting(tenant=tenant, duty="operator", sees=caller.sees) as session:
            if (named := await once.before(session)) is not None:
                return named.answer
            number, release = await self._ghost(session, number_id)
            was = number.state
            if release is not None:
                error = StateConflict("It was not released: a person found that it is still held.")
                body = problem_body(error, release.request_id or request_id).decode()
                release.state, release.outcome = "failed", "a person found it still held"
                release.answer = {"status": error.status, "body": body}
                number.state = "active"
            await session.execute(
                update(Number).where(Number.id == number_id).values(still_ours_at=func.clock_timestamp())
            )
            self._note(
                session, caller, "ghost.still_ours", ("number", number_id), tenant, reason, request_id,
                states=(was, number.state),
            )  # fmt: skip
            await tell(session, number, "number.still_ours", state=number.state)
            decided = {"id": number_id, "state": number.state, "number_id": number_id}
            await once.keep(session, answer=decided)
        return decided

    async def _ghost(self, session: AsyncSession, number_id: UUID) -> tuple[Number, Step | None]:
        """The number, locked, and its release where that is unresolved.

        Raises: StateConflict where nothing of it can be decided, and says how it stands.
        """
        number = await session.get_one(Number, number_id, with_for_update=True)
        if not await is_ghost(session, number_id, window=self._window):
            of_its_row = (
                UpstreamRow.account_id == number.account_id,
                UpstreamRow.row_id == number.upstream_row_id,
            )
            raise no_ghost(number, gone_at=await session.scalar(select(UpstreamRow.gone_at).where(*of_its_row)))
        if number.state != "releasing":
            return number, None
        release = await session.scalars(
            select(Step)
            .where(Step.number_id == number_id, Step.kind == "release", Step.state == "unresolved")
            .order_by(Step.created_at.desc())
            .limit(1)
            .with_for_update()
        )
        return number, release.one()

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
        action: Action,
        of: tuple[ObjectKind, UUID],
        tenant: str | None,
        reason: str,
        request_id: str,
        *,
        states: tuple[str, str],
    ) -> None:
        note(
            session, actor=caller.actor, action=action, of=(of[0], str(of[1])), tenant=tenant,
            before={"state": states[0]}, after={"state": states[1], "reason": reason}, request_id=request_id,
        )  # fmt: skip


def _is_anothers(known: UpstreamRow | Orphan, intent: Intent) -> bool:
    mark = mark_of(known.nickname)
    return (
        known.organization_id not in (None, intent.organization_id)
        or known.user_id not in (None, intent.user_id)
        or mark not in (None, intent.mark)
        or (isinstance(known, Orphan) and known.tenant_id not in (None, intent.tenant_id))
    )


def resolved_before(intent: Intent) -> StateConflict:
    return StateConflict(f"This doubt was resolved meanwhile: {intent.state}, {intent.decision}.", state=intent.state)


def no_ghost(number: Number, *, gone_at: datetime | None) -> StateConflict:
    """Why nothing of this number is a person's to decide. `gone_at`: since when Teli does not list its row."""
    if number.state == "releasing":
        how = "The release of this number is under way."
    elif number.state not in CHANGEABLE:
        when = f" at {rfc3339(number.released_at)}" if number.released_at else ""
        how = f"This was resolved meanwhile: the number is {number.state}{when}."
    elif number.confirmed_at is not None and gone_at is None:
        how = "This number is no ghost: Teli lists it."
    elif number.still_ours_at is not None and (gone_at is None or gone_at <= number.still_ours_at):
        how = f"This was decided before, at {rfc3339(number.still_ours_at)}: the number is still held."
    elif number.confirmed_at is None:
        how = f"This number is no ghost yet: bought at {rfc3339(number.acquired_at)}, it may still be listed."
    else:
        how = "This number is no ghost yet: too few listings lack it, or not for long enough."
    return StateConflict(how, state=number.state)
