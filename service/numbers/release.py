"""Giving a number back, with the same care as buying one.

Teli's DELETE names only the E.164. A late or repeated one could hit a number that was given out anew, so a DELETE is
never repeated before the row id that was meant has been seen again, alone under its E.164, and after an unknown
outcome not before a settling window has passed. Nor is one sent without that look where the number is in question: it
was given up as missing, its row is listed no more, or its E.164 stands for something else too.
Where it is seen no more after a DELETE of ours, that DELETE took effect. Where none was sent, or the E.164 stands for
something else, in whatever organisation and whether its own row is listed or not, the release is unresolved: a person
decides. So it is of a number that was bought and never listed.
"""

from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import orjson
import structlog

from service.kit.clock import rfc3339, utc_now
from service.kit.types import TenantId
from service.numbers.confirm import Confirmation
from service.numbers.models import Number, Step
from service.numbers.repository import Numbers
from service.numbers.standing import Shared, Unfound, own_row
from service.numbers.steps import LOOKED_FOR_FIRST, LOST, Done, Later, Steps
from service.observability.metrics import ALARMS
from service.teli.client import Upstreams
from service.teli.heard import Heard
from service.teli.listing import Row

LOOKS = 3
GONE = "its row is listed no more"
SHARED = "its E.164 stands for something else too"
LONGEST_BETWEEN_LOOKS = 60.0
# As long as a request may wait for its turn.
AT_ONCE_WITHIN = timedelta(seconds=60)
log = structlog.get_logger()


class Release:
    def __init__(
        self,
        numbers: Numbers,
        steps: Steps,
        upstreams: Upstreams,
        confirmation: Confirmation,
        *,
        settling_window: float,
    ) -> None:
        self._numbers = numbers
        self._steps = steps
        self._upstreams = upstreams
        self._confirmation = confirmation
        self._settling_window = settling_window

    async def perform(self, step: Step, tenant: TenantId | None = None) -> Done | Later:
        """The `release` step. The worker looks first; only the request itself, at its one try, need not, nor the first
        try of one that an order has called for just now: thousands of listings would tell what the ledger knows.

        In a request that must look, nothing is sent: the worker does it.
        """
        number, in_question = await self._numbers.with_question(step.number_id, tenant)
        at_once = tenant is not None or (step.order_id is not None and step.tries == 1 and _just_called_for(step))
        if number.state == "released":
            return Done("released before", answer=answer_of(step, number, number.released_at or utc_now(), again=False))
        if number.state != "releasing" and not await self._numbers.grace_is_over(step, tenant):
            return Done("it is not to be released any more", state="cancelled")
        if step.sent_at is not None:
            left = (step.sent_at - utc_now()).total_seconds() + self._settling_window
            if left > 0:
                return Later("unknown", after=left)
        if number.confirmed_at is None:
            match await self._confirmation.look(number, tenant, request_id=step.request_id):
                case "confirmed" if in_question:
                    return LOOKED_FOR_FIRST
                case "confirmed":
                    pass
                case "not to be told":
                    return Later("no listing to be had", found=step.answer)
                case "not listed":
                    if utc_now() < step.created_at + timedelta(seconds=self._settling_window):
                        return Later("not listed yet")
                    return await self._not_listed(step, number, "it was never listed", tenant)
        elif at_once and (in_question or step.answer is not None or number.still_ours_at is not None):
            # It was missing, or vouched for by a person when the listings did not show it or its last release could not
            # be told; or the ledger knows by itself that somebody else may have it.
            return LOOKED_FOR_FIRST
        elif not at_once:
            match await self._look(number):
                case "there":
                    pass
                case "not to be told":
                    return Later("no listing to be had", found=step.answer)
                case "gone":
                    return await self._gone(step, number)
                case "given out anew":
                    return await self._unresolved(step, number, "its E.164 is listed under another row id", None)
                case Shared(by):
                    # At once, for a decision about the other, right or wrong, is not to let a DELETE through.
                    return await self._unresolved(step, number, SHARED, None, evidence=by)
        teli = await self._upstreams.of(number.account_id)
        send_by = await self._steps.about_to_send(step, tenant)
        if send_by is None:
            return LOST
        heard = await teli.release(number.phone_number, send_by=send_by)
        return await self._read(step, number, heard, tenant)

    async def _look(self, number: Number) -> Literal["there"] | Unfound:
        found = await own_row(number, self._numbers, self._confirmation)
        return "there" if isinstance(found, Row) else found

    async def _gone(self, step: Step, number: Number) -> Done | Later:
        """A DELETE of ours left for that row, all has settled since, and whole listings show neither the row nor
        another under its E.164: it took effect, though its answer was lost. Without a DELETE somebody else did it, and
        a person says what became of the number.
        """
        if step.sent_at is None or _looks(step) < LOOKS:
            return await self._not_listed(step, number, GONE, None)
        return await self._released(step, number, None, how=GONE)

    async def _not_listed(self, step: Step, number: Number, why: str, tenant: TenantId | None) -> Done | Later:
        """One listing may leave a row out; after several the row id cannot be checked, and nothing is sent any more."""
        if _looks(step) >= LOOKS:
            return await self._unresolved(step, number, why, tenant)
        between = min(LONGEST_BETWEEN_LOOKS, self._settling_window / LOOKS)
        return Later("its row is not listed", after=between, found={"looks": _looks(step)})

    async def _read(self, step: Step, number: Number, heard: Heard, tenant: TenantId | None) -> Done | Later:
        if heard.kind == "never_sent":
            return await self._not_released(step, heard.detail or "never sent", tenant)
        if heard.kind != "answer" or heard.status is None:
            return Later("unknown")
        body = heard.object()
        again = body.get("already_released") is True
        if heard.status == 200 and (again or body.get("success") is True):
            return await self._released(step, number, tenant, again=again)
        if heard.status == 502 and body.get("failed") in ("voice_provider", "voice_carrier"):
            return await self._not_released(step, f"failed at {body['failed']}", tenant)
        if heard.status in (401, 403, 429):
            return await self._not_released(step, f"status {heard.status}", tenant)
        if heard.status in (400, 404):
            # 404: gone, somebody else's, or the wrong key. No proof of a release.
            return await self._unresolved(step, number, f"answered {heard.status}", tenant)
        return Later("unknown")

    async def _released(
        self, step: Step, number: Number, tenant: TenantId | None, *, how: str = "released", again: bool = False
    ) -> Done:
        released_at = await self._numbers.released(step, tenant)
        return Done(how, answer=answer_of(step, number, released_at, again=again))

    async def _not_released(self, step: Step, why: str, tenant: TenantId | None) -> Later:
        """Teli said, or the line proves, that the number is not released: there is nothing to settle."""
        await self._steps.not_sent(step, tenant)
        return Later(why)

    async def _unresolved(
        self, step: Step, number: Number, why: str, tenant: TenantId | None, *, evidence: str | None = None
    ) -> Done:
        """The number stays `releasing`, its quota held, until a person decides. `evidence` is an operator's to see."""
        shown = f"{why}: {evidence}" if evidence else why
        ALARMS.labels("release_unresolved").inc()
        log.error("a release is unresolved", number=str(number.id), why=shown)
        await self._numbers.release_unresolved(step, number, why, tenant)
        return Done(shown, state="unresolved")


def _looks(step: Step) -> int:
    """How many listings in a row left the number out, with the one that was read just now."""
    return 1 + int((step.answer or {}).get("looks", 0))


def _just_called_for(step: Step) -> bool:
    return utc_now() < step.created_at + AT_ONCE_WITHIN


def released_body(number_id: UUID, phone_number: str, released_at: datetime, *, again: bool) -> dict[str, Any]:
    """Teli's two bodies for a release: by this request, or by an earlier one."""
    told = {"already_released": True} if again else {"billing_stopped": True}
    return {
        "success": True,
        "phone_number": phone_number,
        "released_at": rfc3339(released_at),
        **told,
        "message": "Phone number was released before."
        if again
        else "Phone number released. You will not be billed in the next cycle.",
        "powered_by": "Teli",
        "id": str(number_id),
        "state": "released",
    }


def answer_of(step: Step, number: Number, released_at: datetime, *, again: bool) -> dict[str, Any]:
    """The answer of a release that is over: {status, body}."""
    body = released_body(number.id, number.phone_number, released_at, again=again) | {"operation_id": str(step.id)}
    return {"status": 200, "body": orjson.dumps(body).decode()}
