"""Changing a number's nickname and agents: the ledger first, then Teli, for as long as it takes.

What is wanted is committed before Teli hears of it; a push makes Teli's row equal to what is wanted now. It is
harmless to repeat, so an unknown outcome is simply tried again. Where the number is in question nothing is sent before
its row was seen, alone under its E.164: another's line must not get its agents, nor lose its mark.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import structlog

from service.agents.models import AgentLink
from service.http.problems import problem_body
from service.kit.errors import ServiceError, StateConflict
from service.kit.types import TenantId
from service.numbers.confirm import Confirmation
from service.numbers.errors import UpstreamRefused
from service.numbers.marks import begins_with, mark_of, without_mark
from service.numbers.members import CHANGEABLE
from service.numbers.models import Number, Step
from service.numbers.repository import Numbers, wanted_of
from service.numbers.standing import own_row
from service.numbers.steps import LOOKED_FOR_FIRST, LOST, Done, Later, Steps
from service.observability.metrics import ALARMS
from service.teli.client import Upstreams
from service.teli.heard import Heard
from service.teli.listing import Row

# With the pauses between tries, some minutes.
NOT_FOUND_TRIES = 9
# A mark may stay on for a while; whether its number can be changed again is not asked more often.
UNMARKED_LATER = 3600.0
log = structlog.get_logger()


class Changes:
    def __init__(self, numbers: Numbers, steps: Steps, upstreams: Upstreams, confirmation: Confirmation) -> None:
        self._numbers = numbers
        self._steps = steps
        self._upstreams = upstreams
        self._confirmation = confirmation

    async def push(self, step: Step, tenant: TenantId | None = None) -> Done | Later:
        """The `push` step: send Teli what differs from what it last confirmed, of the members the step is about."""
        number, links, in_question = await self._numbers.with_links(step.number_id, tenant)
        if number.state not in CHANGEABLE:
            return _failed(step, StateConflict(f"This number is {number.state}; Teli was not told of the change."))
        body = _difference(number, links, step.given or ())
        if not body:
            if any(f"{one}_agent_id" in (step.given or ()) and links[one].state == "refused" for one in links):
                return _failed(step, UpstreamRefused("that it refuses this agent", nothing="nothing was changed"))
            return Done("nothing differs", answer=_answer(step, number, links, None))
        # A nickname carries the mark, and must not be written over that of whoever may have the number by now.
        if (
            ("nickname" in body or in_question)
            and number.confirmed_at is None
            and not await self._confirmation.confirm(number, tenant, request_id=step.request_id)
        ):
            return Later("not listed yet")
        if in_question and (tenant is not None or number.confirmed_at is None):
            return LOOKED_FOR_FIRST
        if in_question:
            match await own_row(number, self._numbers, self._confirmation):
                case Row():
                    pass
                case "not to be told":
                    return Later("no listing to be had", found=step.answer)
                case _:
                    return self._not_alone(step, number)
        teli = await self._upstreams.of(number.account_id)
        send_by = await self._steps.about_to_send(step, tenant)
        if send_by is None:
            return LOST
        heard = await teli.update_agent(number.phone_number, body, send_by=send_by)
        if heard.kind != "answer" or heard.status is None:
            return Later(heard.detail or "broken")
        if took_effect(heard):
            await self._numbers.pushed(number, body, tenant)
            return Done("confirmed", answer=_answer(step, number, links, heard))
        said = heard.object()
        words = str(said.get("message") or said.get("error") or "nothing")[:500]
        if heard.status in (400, 422):
            await self._numbers.push_refused(step, number, body, words, tenant)
            return _failed(step, UpstreamRefused(words, nothing="nothing was changed"))
        if heard.status == 404 and step.tries >= NOT_FOUND_TRIES:
            # No row of ours there, or no such agent. A row may be late, so this is believed only after some minutes.
            ALARMS.labels("change_not_found").inc()
            log.error("a change is answered 404 again and again", number=str(number.id), said=words)
            return Done("unknown at Teli", state="unresolved")
        return Later(f"status {heard.status}")

    def _not_alone(self, step: Step, number: Number) -> Done | Later:
        """The E.164 may be somebody else's. One listing may leave a row out; after several a person decides."""
        looks = 1 + int((step.answer or {}).get("looks", 0))
        if looks < NOT_FOUND_TRIES:
            return Later("its row is not listed alone", found={"looks": looks})
        ALARMS.labels("change_not_found").inc()
        log.error("a change is for a number whose row is not listed alone", number=str(number.id))
        return Done("its row is not listed alone", state="unresolved")

    async def unmark(self, step: Step, tenant: TenantId | None = None) -> Done | Later:
        """The `unmark` step: take the mark off, on that very row, once no restore could need it any more."""
        number = await self._numbers.get(step.number_id, tenant)
        if number.state == "released" or not number.marked:
            return Done("nothing to take off")
        if number.state not in CHANGEABLE:
            # A release is mostly over soon, and with it this step.
            return Later(f"it is {number.state}", after=None if number.state == "releasing" else UNMARKED_LATER)
        row = await own_row(number, self._numbers, self._confirmation)
        if not isinstance(row, Row):
            return Later("its row is not listed alone", after=None if row == "not to be told" else UNMARKED_LATER)
        if mark_of(row.nickname) != number.mark:
            await self._numbers.unmarked(step, row.nickname or "", tenant)
            return Done("mark was gone")
        number = await self._numbers.get(step.number_id, tenant)
        if not _is_ours(number, row.nickname):
            # What a person made of it meanwhile is not written over, but decided as the drift that it is.
            return Later("its nickname was changed at Teli", after=UNMARKED_LATER)
        nickname = number.nickname or ""
        teli = await self._upstreams.of(number.account_id)
        send_by = await self._steps.about_to_send(step, tenant)
        if send_by is None:
            return LOST
        heard = await teli.update_agent(number.phone_number, {"nickname": nickname}, send_by=send_by)
        if took_effect(heard):
            await self._numbers.unmarked(step, nickname, tenant)
            return Done("mark taken off")
        if heard.status in (400, 422):
            log.warning("a mark cannot be taken off", number=str(number.id), status=heard.status)
            return Done("refused", state="failed")
        return Later(heard.detail or f"status {heard.status}")


def _is_ours(number: Number, shown: str | None) -> bool:
    text = without_mark(shown)
    return text in (without_mark(number.nickname), without_mark(number.upstream_nickname)) or begins_with(
        number.upstream_nickname, shown
    )


def took_effect(heard: Heard) -> bool:
    """Whether Teli says in so many words that it did what it was asked. A page of a proxy says nothing."""
    body = heard.object()
    return (
        heard.kind == "answer" and 200 <= (heard.status or 0) < 300 and bool(body) and body.get("success") is not False
    )


def _difference(number: Number, links: Mapping[str, AgentLink], given: Sequence[str]) -> dict[str, str]:
    """What to send: an empty string clears, as Teli has it. Until the mark is taken off, every nickname keeps it."""
    body = {}
    wanted = ((number.mark if number.marked else "") + (number.nickname or "")).rstrip()
    if "nickname" in given and wanted != (number.upstream_nickname or ""):
        body["nickname"] = wanted
    for direction, link in links.items():
        if f"{direction}_agent_id" in given and link.state == "pending":
            body[f"{direction}_agent_id"] = link.desired or ""
    return body


def _answer(step: Step, number: Number, links: Mapping[str, AgentLink], heard: Heard | None) -> dict[str, Any]:
    """Teli's shape, with the members that were given, and the nickname without its mark."""
    wanted = wanted_of(number, links)
    body = {
        "success": True,
        "phone_number": number.phone_number,
        "message": str((heard.object() if heard else {}).get("message") or "Phone number updated")[:200],
        **{name: wanted[name] for name in step.given or ()},
        "powered_by": "Teli",
        "id": str(number.id),
        "state": number.state,
        "operation_id": str(step.id),
    }
    return {"status": 200, "body": orjson.dumps(body).decode()}


def _failed(step: Step, error: ServiceError) -> Done:
    """The step ends as a problem, in the words the caller gets, now or from the operation."""
    body = problem_body(error, step.request_id or str(step.id)).decode()
    return Done(error.code, state="failed", answer={"status": error.status, "body": body})
