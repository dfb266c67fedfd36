"""The gateway's seams in the simulation: each call goes through the network, to a store or to the carrier."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, TypeVar, cast

from service.db import CommitUnknown
from service.kit.errors import StorageUnavailable
from service.numbers.ledger import SEND_WITHIN, Admission
from service.quotas.gate import Entry
from service.teli.client import SendBy, TeliClient
from service.teli.heard import Heard
from tests.simulation.answers import Answer
from tests.simulation.carrier import Carrier
from tests.simulation.network import Broken, Fate, Network, who

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, Any]], Any]

# Their commit may stay unknown; all others are plain transactions.
HOT = ("admit", "settle")
CONNECTED_WITHIN = (0.001, 0.02)
SERVED_WITHIN = (0.1, 3.0)
# A request that its sender gave up may still take effect for so long: well within the settling window.
LINGERS = 25.0


class Store:
    """One store as a process has it: every method a call through the network, run as one transaction over there."""

    def __init__(self, network: Network, store: object, run: Run) -> None:
        self._network = network
        self._store = store
        self._run = run

    def __getattr__(self, method: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        work = getattr(self._store, method)
        name = f"{type(self._store).__name__}.{method}"

        async def call(*args: Any, **named: Any) -> Any:
            send_by = SendBy.within(SEND_WITHIN)
            try:
                said = await self._network.call(name, lambda: self._run(work(*args, **named)))
            except Broken as error:
                if method in HOT and error.left:
                    raise CommitUnknown from error
                raise StorageUnavailable from error
            # It counts from before it was asked, not from when it was read over there.
            return replace(said, send_by=send_by) if isinstance(said, Admission) else send_by_of(said, send_by)

        return call


def send_by_of(said: Any, send_by: SendBy) -> Any:
    return send_by if isinstance(said, SendBy) else said


class GateStore(Store):
    """Redis: whoever cannot reach it goes on without."""

    def __getattr__(self, method: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        ask = super().__getattr__(method)

        async def call(*args: Any, **named: Any) -> Any:
            try:
                return await ask(*args, **named)
            except StorageUnavailable:
                return Entry() if method == "enter" else None

        return call


@dataclass(slots=True)
class Departure:
    """A create whose first byte has left. `serial`: the carrier's count, once it has heard it."""

    at: float
    mark: str
    process: str
    serial: int | None = None


@dataclass(slots=True)
class Deletion:
    """A DELETE that left: for which row it was meant, as far as was known, and which purchase it ended."""

    at: float
    phone_number: str
    ended: str | None = None


class SimulatedTeli(TeliClient):
    """The client of one process, over the network of the simulation. What was heard is read as ever."""

    def __init__(self, network: Network, carrier: Carrier, journal: "Journal", *, listen: float) -> None:
        self._network = network
        self._carrier = carrier
        self._journal = journal
        self._listen = listen
        self.calls = 0

    async def create(self, body: Mapping[str, Any], *, send_by: SendBy) -> Heard:
        departure = Departure(0.0, str(body["nickname"])[:16].ljust(16), who())

        def effect() -> Answer:
            answer = self._carrier.create(body)
            departure.serial = self._carrier.calls["create"]
            return answer

        def leave() -> None:
            departure.at = self._journal.now()
            self._journal.departures.append(departure)

        return await self._exchange("create", effect, self._listen, send_by, leave)

    async def list_numbers(self, organization: str, user: str, *, whole: bool, listen: float = 60) -> Heard:
        self._journal.listings += 1
        return await self._exchange("list", lambda: self._carrier.list_numbers(organization, user, whole), listen)

    async def update_agent(self, phone_number: str, body: Mapping[str, Any], *, send_by: SendBy) -> Heard:
        return await self._exchange("update", lambda: self._carrier.update_agent(phone_number, body), 30, send_by)

    async def release(self, phone_number: str, *, send_by: SendBy) -> Heard:
        deletion = Deletion(0.0, phone_number)

        def effect() -> Answer:
            before = len(self._carrier.released)
            answer = self._carrier.release(phone_number)
            if len(self._carrier.released) > before:
                deletion.ended = self._carrier.released[-1].purchase.row_id
            return answer

        def leave() -> None:
            deletion.at = self._journal.now()
            self._journal.deletions.append(deletion)

        return await self._exchange("release", effect, 60, send_by, leave)

    async def organizations(self) -> Heard:
        return await self._exchange("organizations", self._carrier.organizations, 30)

    async def users(self, organization: str) -> Heard:
        return await self._exchange("users", lambda: self._carrier.users(organization), 30)

    async def purchases(self, organization: str, *, start: date, end: date) -> Heard:
        return await self._exchange("analytics", lambda: self._carrier.purchases(organization, start, end), 30)

    async def _exchange(
        self,
        name: str,
        effect: Callable[[], Answer],
        listen: float,
        send_by: SendBy | None = None,
        leave: Callable[[], None] = lambda: None,
    ) -> Heard:
        network = self._network
        fate = network.fate()
        await asyncio.sleep(network.delay(fate))
        if fate == "refused":
            return Heard("never_sent", detail="ConnectError")
        if send_by is not None and send_by.passed():
            return Heard("never_sent", detail="DeadlinePassed")
        leave()
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        network.later(network.delay("fine"), self._arrive, name, effect, answer, fate, who())
        try:
            async with asyncio.timeout(listen):
                status, headers, body = await answer
        except (TimeoutError, Broken) as error:
            return Heard("broken", detail=type(error).__name__)
        return Heard("answer", status, headers, body)

    def _arrive(
        self, name: str, effect: Callable[[], Answer], answer: "asyncio.Future[Answer]", fate: Fate, caller: str
    ) -> None:
        network = self._network
        if fate in ("lost", "late"):
            network.note(f"{caller} {name} {fate}")
            if fate == "late":
                network.later(self._journal.chance.uniform(0, LINGERS), self._have, name, effect, fate, caller)
            if self._journal.chance.random() < 0.5:  # Else nobody says anything, until the time is over.
                network.later(network.delay("fine"), say, answer, Broken(left=True))
            return
        said = self._have(name, effect, fate, caller)
        served = self._journal.chance.uniform(*SERVED_WITHIN) * (4 if fate == "slow" else 1)
        if fate != "unanswered":
            network.later(served, say, answer, said)
        elif self._journal.chance.random() < 0.5:
            network.later(served, say, answer, Broken(left=True))

    def _have(self, name: str, effect: Callable[[], Answer], fate: Fate, caller: str) -> Answer:
        said = effect()
        self._network.note(f"{caller} teli {name} {fate} {said.status} {said.body[:120]!r}")
        return said


def say(answer: "asyncio.Future[Answer]", said: "Answer | Broken") -> None:
    if answer.done():
        return
    if isinstance(said, Broken):
        answer.set_exception(said)
    else:
        answer.set_result(said)


class Journal:
    """What the oracle must know and nobody else keeps."""

    def __init__(self, now: Callable[[], float], chance: Any) -> None:
        self.now = now
        self.chance = chance
        self.departures: list[Departure] = []
        self.deletions: list[Deletion] = []
        self.listings = 0


def seam(kind: type[T], store: Store) -> T:
    """The store, as the type that services want."""
    return cast(T, store)
