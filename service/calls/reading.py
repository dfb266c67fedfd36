"""Reading the calls of every organisation, slowly: one request at a time, no more in an hour than is set.

A window of an organisation's calls is read newest first, page by page, and how far it is stands in the ledger after
each. Calls that name no number are looked up one by one, at a pace of their own. While Teli errs an organisation waits
longer each time, and once its calls were not read for a day nothing of it is taken to be idle.
"""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import func

from service.calls.models import BareCall, CallRead
from service.calls.repository import BATCH, CallRepository
from service.calls.windows import STALE, Window, after_page
from service.db import Database
from service.kit.clock import rfc3339, utc_now
from service.observability.metrics import CALLS_READ
from service.teli.calls import MOST_ROWS, CallPage, read_call, read_calls, single_call
from service.teli.client import Upstreams

HOUR = 3600.0
# Longer than any one call to Teli.
LEASE = 60.0
LONGEST_PAUSE = HOUR
FIRST_PAUSE = 30.0
# Of one organisation, waiting to be looked up.
MOST_BARE = 2_000
TRIES = 3
log = structlog.get_logger()


class CallReading:
    """`listings` and `look_ups`: requests an hour with one account, 0 for none. `every`: seconds between two windows.

    `look_back`: how far the first window goes.
    """

    def __init__(
        self,
        database: Database,
        upstreams: Upstreams,
        *,
        listings: int,
        look_ups: int,
        every: float,
        look_back: timedelta,
    ) -> None:
        self._database = database
        self._upstreams = upstreams
        self._listings = listings
        self._look_ups = look_ups
        self._every = every
        self._look_back = look_back

    async def read(self, account: UUID) -> bool:
        """Read one page, where it is time to; whether there was one.

        Raises: UpstreamUnavailable; StorageUnavailable.
        """
        if not self._listings:
            return False
        async with self._database.acting() as session:
            calls = CallRepository(session)
            read = await calls.claim_due(account, lease=LEASE)
            if read is None:
                await calls.begin_with(account)
                return False
            if not await calls.take_turn(account, "listing", pause=HOUR / self._listings):
                await calls.file(read, {}, pause=0)
                return False
        now = utc_now()
        if read.window_from is not None and read.window_to is not None and read.left_to is not None:
            window = Window(read.window_from, read.window_to, read.left_to)
        else:
            window = Window.next(read.read_until, now, look_back=self._look_back)
        teli = await self._upstreams.of(account)
        query = {
            "is_admin": "true",
            "call_status": read.status,
            "start_date": rfc3339(window.begins),
            "end_date": rfc3339(window.left_to),
            "limit": str(MOST_ROWS),
        }
        heard = await teli.list_calls(read.organization_id, query)
        page = read_calls(heard)
        CALLS_READ.labels("page" if page is not None else "failed").inc()
        if page is None:
            await self._failed(read, heard.detail or f"status {heard.status}")
        else:
            await self._file(read, window, page)
        return True

    async def _failed(self, read: CallRead, why: str) -> None:
        failures = read.failures + 1
        log.warning("calls could not be read", organization=read.organization_id, status=read.status, why=why[:300])
        async with self._database.acting() as session:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures, 10))
            await CallRepository(session).file(read, {"failures": failures}, pause=pause)
        if read.read_until is not None and read.read_until < utc_now() - STALE:
            await self._judge(read.account_id, read.organization_id)

    async def _file(self, read: CallRead, window: Window, page: CallPage) -> None:
        progress = after_page(window, page)
        unseen = progress.unseen_until
        async with self._database.acting() as session:
            calls = CallRepository(session)
            await calls.called(read.account_id, page.rows)
            bare = [row for row in page.rows if row.bare]
            dropped = await calls.keep_bare(read, bare, most=MOST_BARE)
            if progress.left is not None:
                values = {
                    "window_from": window.begins,
                    "window_to": window.ends,
                    "left_to": progress.left.left_to,
                    "failures": 0,
                }
                await calls.file(read, values, pause=0)
            else:
                values = dict.fromkeys(("window_from", "window_to", "left_to")) | {
                    "read_until": window.ends,
                    "judged_from": func.coalesce(CallRead.judged_from, window.begins),
                    "failures": 0,
                }
                await calls.file(read, values, pause=self._every)
                await calls.forget_old(read, window.begins)
            for moment in (unseen, dropped):
                if moment is not None:
                    await calls.unseen_until(read.account_id, read.organization_id, moment)
        if unseen is not None or dropped is not None:
            log.warning("calls cannot all be seen", organization=read.organization_id, until=str(unseen or dropped))
        if progress.left is None:
            await self._judge(read.account_id, read.organization_id)

    async def _judge(self, account: UUID, organization: str) -> None:
        changed = BATCH
        while changed == BATCH:
            async with self._database.acting() as session:
                changed = await CallRepository(session).judge(account, organization)

    async def look_up(self, account: UUID) -> bool:
        """Look up one call that was listed without its numbers, where it is time to; whether there was one.

        Raises: UpstreamUnavailable; StorageUnavailable.
        """
        if not self._look_ups:
            return False
        async with self._database.acting() as session:
            calls = CallRepository(session)
            if not await calls.has_bare(account):
                return False
            if not await calls.take_turn(account, "look_up", pause=HOUR / self._look_ups):
                return False
            call = await calls.claim_bare(account, lease=LEASE)
            if call is None:
                return False
        teli = await self._upstreams.of(account)
        found = read_call(single_call(await teli.call(call.call_id)))
        CALLS_READ.labels("look_up" if found is not None else "failed").inc()
        async with self._database.acting() as session:
            calls = CallRepository(session)
            if found is not None and not found.bare:
                await calls.called(account, [replace(found, started_at=call.started_at)])
                await calls.looked_up(call)
            elif call.tries >= TRIES:
                await self._give_up(calls, call)
        return True

    async def _give_up(self, calls: CallRepository, call: BareCall) -> None:
        """Whose call it was cannot be told: it may have been anybody's of the organisation."""
        await calls.looked_up(call)
        await calls.unseen_until(call.account_id, call.organization_id, call.started_at)
        log.warning("a call does not tell its numbers", call=call.call_id, organization=call.organization_id)


def pause_between(an_hour: int) -> float:
    """Seconds between two looks whether it is time for a request; often enough for the pace."""
    return min(60.0, max(0.25, HOUR / an_hour)) if an_hour else 60.0
