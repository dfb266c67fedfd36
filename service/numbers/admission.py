"""Admission: the transaction that lets a purchase be sent, and the wait for a lane or a slot before it.

The wait happens outside any transaction. In one process only the head of each line asks Postgres again, woken as soon
as a purchase here ends; between processes the queue in Postgres keeps the order.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from service.kit.clock import monotonic
from service.kit.errors import StorageUnavailable
from service.kit.types import TenantId
from service.numbers.errors import LaneBusy
from service.numbers.ledger import Admission, Ledger
from service.observability.metrics import ADMISSIONS

ASK_AGAIN = 0.05


@dataclass(slots=True)
class Line:
    """Those of this process who wait for the same lane, by their places in Postgres' queue; the first of them asks.

    Were it in any other order, two replicas could each have at its head one who must wait for another's tail.
    """

    waiting: dict[int, asyncio.Event] = field(default_factory=dict)

    async def turn(self, place: int, *, until: float) -> None:
        """Returns when this place is the first and something was freed, or a moment has passed; or at `until`."""
        while (left := until - monotonic()) > 0:
            is_first = place == min(self.waiting)
            try:
                async with asyncio.timeout(min(left, ASK_AGAIN) if is_first else left):
                    await self.waiting[place].wait()
            except TimeoutError:
                if is_first:
                    return
            self.waiting[place].clear()
            if place == min(self.waiting):
                return

    def wake(self) -> None:
        if self.waiting:
            self.waiting[min(self.waiting)].set()


class Admissions:
    def __init__(self, ledger: Ledger, *, wait_at_most: float) -> None:
        self._ledger = ledger
        self._wait_at_most = wait_at_most
        self._lines: dict[tuple[str, str], Line] = {}

    async def admit(self, ask: dict[str, Any]) -> Admission:
        """Ask until there is a lane and a slot.

        Raises: QuotaExceeded; LaneBusy when the wait grew too long; StorageUnavailable when nothing was written;
            service.db.CommitUnknown when an intent may have been written: it must not be sent.
        """
        give_up = monotonic() + self._wait_at_most
        ask |= {"wait_seconds": self._wait_at_most}
        admission = await self._ledger.admit(ask)
        if admission.outcome != "busy":
            return admission
        try:
            with self._standing_in(admission.said) as line:
                while admission.outcome == "busy" and monotonic() < give_up:
                    await line.turn(admission.said["place"], until=give_up)
                    admission = await self._ledger.admit(ask)
        finally:
            # Admission takes the place away; whatever else became of it, others must not wait behind it.
            if admission.outcome != "admitted":
                await self._step_out(ask["tenant_id"], UUID(ask["intent_id"]))
        if admission.outcome == "busy":
            ADMISSIONS.labels("lane_busy").inc()
            raise LaneBusy
        return admission

    def freed(self, account: str, user: str) -> None:
        """A purchase of this process has ended: whoever stands next may ask at once."""
        for queue in (user, ""):
            if line := self._lines.get((account, queue)):
                line.wake()

    @contextmanager
    def _standing_in(self, busy: dict[str, Any]) -> Iterator[Line]:
        place = (busy["account_id"], busy["queue"])
        line = self._lines.setdefault(place, Line())
        line.waiting[busy["place"]] = asyncio.Event()
        try:
            yield line
        finally:
            del line.waiting[busy["place"]]
            line.wake()
            if not line.waiting:
                del self._lines[place]

    async def _step_out(self, tenant: str, intent: UUID) -> None:
        try:
            await self._ledger.leave_queue(TenantId(tenant), intent)
        except StorageUnavailable:
            return  # The place lapses by itself.
