"""What lies between the gateway's processes, its stores and Teli: calls that break before, after, or come late.

A call that has left goes its way whatever becomes of its process; what waits for the answer dies with it.
"""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from contextvars import Context
from random import Random
from typing import Any, Literal, TypeVar

from service.kit.clock import monotonic
from tests.simulation.loop import PROCESS, SimulatedLoop
from tests.simulation.weather import Weather

T = TypeVar("T")
Fate = Literal["fine", "slow", "refused", "lost", "unanswered", "late"]

FAULTS: tuple[Fate, ...] = ("refused", "lost", "unanswered", "late", "slow")
QUICK = (0.0005, 0.004)
SLOW = (0.3, 4.0)
# A statement outlives its connection by at most this long.
LINGERS = 30.0


class Broken(Exception):
    """The call broke. `left`: it may have had its effect, or have it yet."""

    def __init__(self, *, left: bool) -> None:
        super().__init__("left" if left else "never left")
        self.left = left


class Trace:
    """Everything that happened, as one running hash; with `keep` also as lines."""

    def __init__(self, *, keep: bool = False) -> None:
        self.lines: list[str] | None = [] if keep else None
        self._hash = hashlib.blake2b(digest_size=16)

    def __call__(self, line: str) -> None:
        self._hash.update(line.encode())
        self._hash.update(b"\n")
        if self.lines is not None:
            self.lines.append(line)

    def digest(self) -> str:
        return self._hash.hexdigest()


class Network:
    def __init__(self, loop: SimulatedLoop, chance: Random, weather: Weather, trace: Trace) -> None:
        self.weather = weather
        self.calls = 0
        self.faults = 0
        self.cut_until: dict[str, float] = {}
        self._loop = loop
        self._chance = chance
        self._trace = trace

    def cut(self, process: str, seconds: float) -> None:
        """Nothing that a process asks of a store arrives for so long; Teli it reaches as ever."""
        self.cut_until[process] = self._loop.time() + seconds
        self.note(f"{process} cut off for {seconds:.0f} s")

    def fate(self) -> Fate:
        self.calls += 1
        weather, drawn = self.weather, self._chance.random()
        for fate in FAULTS:
            drawn -= getattr(weather, fate)
            if drawn < 0:
                self.faults += 1
                return fate
        return "fine"

    def delay(self, fate: Fate) -> float:
        return self._chance.uniform(*(SLOW if fate == "slow" else QUICK))

    async def call(self, name: str, effect: Callable[[], T]) -> T:
        """Have an effect elsewhere. Raises: Broken, and what the effect raises."""
        fate = self.fate()
        if self.cut_until and self.cut_until.get(who(), 0.0) > self._loop.time():
            fate = "refused"
        answer: asyncio.Future[T] = self._loop.create_future()
        self.later(self.delay(fate), self._arrive, name, effect, answer, fate, who())
        return await answer

    def later(self, delay: float, what: Callable[..., object], *args: object) -> None:
        """On the way: nobody's process, so that nobody's death stops it."""
        self._loop.call_later(delay, what, *args, context=Context())

    def _arrive(self, name: str, effect: Callable[[], T], answer: "asyncio.Future[T]", fate: Fate, caller: str) -> None:
        if fate in ("refused", "lost", "late"):
            self.note(f"{caller} {name} {fate}")
            if fate == "late":
                self.later(self._chance.uniform(0, LINGERS), self._have, name, effect, None, caller)
            self._say(answer, Broken(left=fate != "refused"))
            return
        said = self._have(name, effect, fate, caller)
        self.later(self.delay(fate), self._say, answer, Broken(left=True) if fate == "unanswered" else said)

    def _have(self, name: str, effect: Callable[[], T], fate: Fate | None, caller: str) -> "T | Exception":
        try:
            said: T | Exception = effect()
        except Exception as error:
            said = error
        self.note(f"{caller} {name} {fate or 'arrives late'} {told(said)}")
        return said

    def _say(self, answer: "asyncio.Future[T]", said: "T | Exception") -> None:
        if answer.done():
            return  # Who asked has stopped waiting.
        if isinstance(said, Exception):
            answer.set_exception(said)
        else:
            answer.set_result(said)

    def note(self, what: str) -> None:
        self._trace(f"{monotonic():.6f} {what}")


def who() -> str:
    process = PROCESS.get()
    return process.name if process else "-"


PLAIN = (str, int, float, type(None))


def told(said: object) -> str:
    """A line's worth of an answer, in which nothing depends on where objects lie."""
    if isinstance(said, BaseException):
        return f"{type(said).__name__}: {said}"[:200]
    if isinstance(said, list | tuple):
        return f"[{', '.join(map(told, said[:5]))}] of {len(said)}"[:200]
    if isinstance(said, dict):  # Members of an object in Postgres have an order of their own.
        return f"{{{', '.join(f'{name}: {told(said[name])}' for name in sorted(said, key=str))}}}"[:200]
    return repr(said)[:200] if isinstance(said, PLAIN) else type(said).__name__


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("it waited")
