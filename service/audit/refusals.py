"""Refused administrative attempts, noted in the audit log without letting a flood of them fill it.

The first refusal of an actor on a route is noted at once. Its like are counted for a minute, and noted as one row when
that is over: two rows a minute for each actor, route and code, in each process, however many are sent. Nothing here
makes a request fail, or wait for long.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import structlog

from service.audit.actions import Action
from service.audit.entries import note
from service.db import Database
from service.kit.clock import monotonic, rfc3339, utc_now
from service.observability.metrics import REFUSALS

WINDOW = 60.0
FLUSHED_EVERY = 5.0
MOST_WINDOWS = 2000
MOST_PATHS = 10
PATIENCE = 2.0
ACTION: Action = "request.refused"
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Refusal:
    """`route` is method and template of what was asked, `path` what it was asked of; `actor` as the log names it."""

    actor: str
    tenant_id: str | None
    route: str
    path: str
    status: int
    code: str
    request_id: str

    @property
    def kind(self) -> tuple[str, str, str]:
        return self.actor, self.route, self.code


@dataclass(slots=True)
class Window:
    """What was refused of one kind since the first was noted, and is not noted yet."""

    ends: float
    times: int = 0
    since: str = ""
    paths: list[str] = field(default_factory=list)
    last: Refusal | None = None

    def count(self, refusal: Refusal) -> None:
        self.since = self.since or rfc3339(utc_now())
        self.times += 1
        self.last = refusal
        if refusal.path not in self.paths and len(self.paths) < MOST_PATHS:
            self.paths.append(refusal.path)


class Refusals:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._windows: dict[tuple[str, str, str], Window] = {}

    async def refused(self, refusal: Refusal) -> None:
        """Note it, or count it. Raises nothing."""
        window = self._windows.get(refusal.kind)
        if window is not None:
            window.count(refusal)
            REFUSALS.labels("counted").inc()
            return
        if len(self._windows) >= MOST_WINDOWS:
            REFUSALS.labels("dropped").inc()
            return
        window = self._windows[refusal.kind] = Window(monotonic() + WINDOW)
        if not await self._note(refusal, {"path": refusal.path, "times": 1}):
            window.count(refusal)

    async def run(self) -> None:
        """Note what was counted, again and again, until cancelled."""
        while True:
            await asyncio.sleep(FLUSHED_EVERY)
            await self.flush(monotonic())

    async def flush(self, until: float = float("inf")) -> None:
        """Note what was counted in every window that has ended by then; by default in all."""
        for kind, window in [one for one in self._windows.items() if one[1].ends <= until]:
            if window.last is not None:
                counted = {"paths": window.paths, "times": window.times, "since": window.since}
                if not await self._note(window.last, counted):
                    continue  # The next flush tries again; meanwhile it goes on counting.
            del self._windows[kind]

    async def _note(self, refusal: Refusal, told: dict[str, Any]) -> bool:
        after = {"status": refusal.status, "code": refusal.code, **told}
        try:
            async with asyncio.timeout(PATIENCE), self._database.acting(duty="admin", by_itself=True) as session:
                note(
                    session, actor=refusal.actor, action=ACTION, of=("route", refusal.route), tenant=refusal.tenant_id,
                    after=after, request_id=refusal.request_id,
                )  # fmt: skip
        except Exception as error:
            log.warning("refusal not noted", actor=refusal.actor, route=refusal.route, error=str(error)[:300], **after)
            return False
        REFUSALS.labels("noted").inc()
        return True
