"""Every request of a tenant takes its turn before anything else is done about it: a dependency of every router."""

from contextlib import suppress
from typing import Annotated

from fastapi import Depends, Request

from service.http.context import header
from service.http.limits import tell
from service.idempotency.keys import parse_key
from service.quotas.gate import Entry, Gate
from service.quotas.rates import Turn
from service.tenants.auth import authenticate


async def take_turn(request: Request) -> None:
    """Count the request against the rate of its tenant, and tell on its answer what is left.

    Raises: as `authenticate`; RateLimited.
    """
    caller = await authenticate(request)
    if caller.tenant_id is None or caller.rate is None or hasattr(request.state, "turn"):
        return
    turn = await _gate(request).count(caller.tenant_id, caller.rate)
    _told(request, turn)
    if (refusal := turn.refusal) is not None:
        raise refusal


async def enter(request: Request) -> Entry:
    """The same for a create, in the one round trip that looks for a replay too.

    One with a key is let through to here in every case: it may have been answered before, where Redis forgot.
    Raises: as `authenticate`; RateLimited.
    """
    caller = await authenticate(request)
    if caller.tenant_id is None:
        return Entry()
    key = None
    with suppress(ValueError):  # A key that is none is refused together with whatever else is wrong.
        key = parse_key(header(request.scope, b"idempotency-key"))
    entry = await _gate(request).enter(caller.tenant_id, key, caller.rate)
    if entry.turn is not None:
        _told(request, entry.turn)
        if key is None and (refusal := entry.turn.refusal) is not None:
            raise refusal
    return entry


Entered = Annotated[Entry, Depends(enter)]


def _gate(request: Request) -> Gate:
    found: Gate = request.app.state.services.gate
    return found


def _told(request: Request, turn: Turn) -> None:
    """Once a request: where it turns out to be unreadable, it is looked at again. Only what is enforced is told."""
    request.state.turn = turn
    if not turn.rate.shadow:
        tell(request.scope, turn.headers)
