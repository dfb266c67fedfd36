"""The gateway's seams in the simulation: each call goes through the network, to a store or to the carrier."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, TypeVar, cast

from service.db import CommitUnknown
from service.kit.errors import StorageUnavailable
from service.numbers.ledger import SEND_WITHIN, Admission
from service.numbers.steps import SEND_WITHIN as STEP_SENT_WITHIN
from service.quotas.gate import Entry
from service.reconciliation.judgement import Doubt
from service.teli.client import SendBy, TeliClient
from service.teli.heard import Heard
from service.teli.listing import read_listing
from tests.simulation.answers import Answer
from tests.simulation.carrier import Carrier
from tests.simulation.network import Broken, Fate, Network, who

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, Any]], Any]

# Their commit may stay unknown; all others are plain transactions.
HOT = ("admit", "settle")
# Those that say by when something must have left, and in how many seconds.
SENT_WITHIN = {"admit": SEND_WITHIN, "about_to_send": STEP_SENT_WITHIN}
CONNECTED_WITHIN = (0.001, 0.02)
SERVED_WITHIN = (0.1, 3.0)
# How long anybody listens to Teli for anything but a create.
LISTENS = 10.0
A_MOMENT = 2.0
# A request that its sender gave up may still take effect for so long: well within the settling window.
LINGERS = 25.0


class Store:
    """One store as a process has it: every method a call through the network, run as one transaction over there."""

    def __init__(self, network: Network, name: str, store: object, run: Run) -> None:
        self._network = network
        self._name = name
        self._store = store
        self._run = run

    def __getattr__(self, method: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        """Kept once made: it is asked for at every call."""
        work = getattr(self._store, method)
        name = f"{self._name}.{method}"
        network, run, hot, within = self._network, self._run, method in HOT, SENT_WITHIN.get(method)

        async def call(*args: Any, **named: Any) -> Any:
            send_by = SendBy.within(within) if within is not None else None
            try:
                said = await network.call(name, lambda: run(work(*args, **named)))
            except Broken as error:
                if hot and error.left:
                    raise CommitUnknown from error
                raise StorageUnavailable from error
            if send_by is None or said is None:
                return said
            # It counts from before it was asked, not from when it was read over there.
            return replace(said, send_by=send_by) if isinstance(said, Admission) else send_by

        self.__dict__[method] = call
        return call


class DoubtsStore(Store):
    """Notes which doubts were found to be absent, and when."""

    def __init__(self, network: Network, name: str, store: object, run: Run, journal: "Journal") -> None:
        super().__init__(network, name, store, run)
        self._journal = journal

    def __getattr__(self, method: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        if method != "unresolved":
            return super().__getattr__(method)

        async def unresolved(doubts: Sequence[Doubt], grounds: Any) -> Any:
            async def work() -> Any:
                moved = await self._store.unresolved(doubts, grounds)  # type: ignore[attr-defined]
                self._journal.absent += [(self._journal.now(), one) for one in doubts if one.id in moved]
                return moved

            try:
                return await self._network.call(f"{self._name}.unresolved", lambda: self._run(work()))
            except Broken as error:
                raise StorageUnavailable from error

        return unresolved


class GateStore(Store):
    """Redis: whoever cannot reach it goes on without."""

    def __getattr__(self, method: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        ask = super().__getattr__(method)
        assert method in ("enter", "leave", "undelivered")

        async def call(*args: Any, **named: Any) -> Any:
            try:
                return await ask(*args, **named)
            except StorageUnavailable:
                return Entry() if method == "enter" else None

        self.__dict__[method] = call
        return call


@dataclass(slots=True)
class Departure:
    """A create whose first byte has left. `serial`: the carrier's count, once it has heard it.

    `ended`: when its sender stopped listening, if it lived to.
    """

    at: float
    mark: str
    process: str
    serial: int | None = None
    ended: float | None = None


@dataclass(slots=True)
class Deletion:
    """A DELETE that left: which purchase it ended, by its row, and whether its sender heard what became of it."""

    at: float
    phone_number: str
    ended: str | None = None
    known: bool = False


@dataclass(frozen=True, slots=True)
class Naming:
    """A nickname that left for Teli."""

    at: float
    phone_number: str


@dataclass(frozen=True, slots=True)
class Look:
    """A listing of an organisation that was heard: when it was asked for, whether it says it is whole, its rows."""

    at: float
    organization: str
    complete: bool
    rows: frozenset[str]


class SimulatedTeli(TeliClient):
    """The client of one process, over the network of the simulation. What was heard is read as ever."""

    def __init__(self, network: Network, carrier: Carrier, journal: "Journal", *, listen: float) -> None:
        self._network = network
        self._carrier = carrier
        self._journal = journal
        self._listen = listen
        self.calls = 0
        self.name = "default"

    async def create(self, body: Mapping[str, Any], *, send_by: SendBy) -> Heard:
        departure = Departure(0.0, str(body["nickname"])[:16].ljust(16), who())

        def effect() -> Answer:
            answer = self._carrier.create(body)
            departure.serial = self._carrier.calls["create"]
            return answer

        def leave() -> None:
            departure.at = self._journal.now()
            self._journal.departures.append(departure)
            self._journal.sending(departure.process)

        heard = await self._exchange("create", effect, self._listen, send_by, leave)
        departure.ended = self._journal.now()
        return heard

    async def list_numbers(self, organization: str, user: str, *, whole: bool, listen: float = LISTENS) -> Heard:
        self._journal.listings += 1
        at = self._journal.now()
        heard = await self._exchange("list", lambda: self._carrier.list_numbers(organization, user, whole), LISTENS)
        if whole and (listing := read_listing(heard)) is not None:
            rows = frozenset(row.row_id for row in listing.rows)
            self._journal.looks.append(Look(at, organization, says_whole(heard), rows))
        return heard

    async def update_agent(self, phone_number: str, body: Mapping[str, Any], *, send_by: SendBy) -> Heard:
        def leave() -> None:
            if "nickname" in body:
                self._journal.namings.append(Naming(self._journal.now(), phone_number))

        def effect() -> Answer:
            return self._carrier.update_agent(phone_number, body)

        return await self._exchange("update", effect, LISTENS, send_by, leave)

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
            self._journal.sending(who())

        heard = await self._exchange("release", effect, LISTENS, send_by, leave)
        # Of a plain 500 nobody knows what it means; a 502 is documented.
        deletion.known = heard.kind == "answer" and heard.status != 500
        return heard

    async def organizations(self) -> Heard:
        return await self._exchange("organizations", self._carrier.organizations, LISTENS)

    async def users(self, organization: str) -> Heard:
        return await self._exchange("users", lambda: self._carrier.users(organization), LISTENS)

    async def purchases(self, organization: str, *, start: date, end: date) -> Heard:
        return await self._exchange("analytics", lambda: self._carrier.purchases(organization, start, end), LISTENS)

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
        if send_by is not None:
            self._journal.sent_at[who()] = self._journal.now()
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


def says_whole(heard: Heard) -> bool:
    """Read anew here, for it is what the gateway's own reading is judged by."""
    body = heard.object()
    return str(body.get("count")) == str(len(body["phone_numbers"]))


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
        self.namings: list[Naming] = []
        self.looks: list[Look] = []
        self.absent: list[tuple[float, Doubt]] = []
        self.sent_at: dict[str, float] = {}
        self.sending: Callable[[str], None] = lambda _: None
        self.listings = 0

    def waiting_for_teli(self) -> set[str]:
        """The processes that told Teli to change something a moment ago."""
        return {name for name, at in self.sent_at.items() if self.now() - at < A_MOMENT}


def seam(kind: type[T], store: Store) -> T:
    """The store, as the type that services want."""
    return cast(T, store)
