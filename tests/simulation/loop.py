"""An event loop without a clock, a selector or luck: one seed gives one order of everything.

What is ready runs in an order drawn by chance; when nothing is, time jumps to the next timer. Each callback belongs to
the simulated process in whose context it was made, and a process can be killed or frozen between any two of them.
What must outlive its maker, such as a message on its way, is scheduled with `context=Context()`: it is nobody's.
"""

import asyncio
import gc
import math
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from asyncio import BaseEventLoop as Unsupported
else:
    # For the type checker its methods are abstract; at work each raises NotImplementedError: sockets, threads, signals.
    from asyncio import AbstractEventLoop as Unsupported

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

PATIENCE = 100
"""Draws after which what is ready runs to the last before anything newer: nothing waits for ever."""

PROCESS: ContextVar["Process | None"] = ContextVar("process", default=None)

# Closing a coroutine that refuses to end would be tried again, with noise, when it is collected.
_unclosable: list[object] = []


class Stuck(Exception):
    """Nothing is ready and no timer is left, yet the main future is not done. The text lists who waits, and where."""


class TooLong(Exception):
    """More steps than allowed."""


class Process:
    """What dies and freezes as one. Whatever runs in its context is its own, as are the tasks and timers made there."""

    def __init__(self, loop: "SimulatedLoop", name: str) -> None:
        self.name = name
        self.alive = True
        self.frozen_until = -math.inf
        self.deferred: list[Handle] = []
        self._loop = loop

    def start(self, work: Coroutine[Any, Any, T], *, name: str | None = None) -> "Task[T]":
        """A task of this process, whoever starts it."""
        context = copy_context()
        context.run(PROCESS.set, self)
        return self._loop.create_task(work, name=name, context=context)

    def kill(self) -> None:
        """As by SIGKILL: nothing of it runs again, no `finally` either. A step under way ends at its next await."""
        self.alive = False

    async def die(self) -> NoReturn:
        """Kill the process one is, here."""
        self.kill()
        await self._loop.create_future()
        raise AssertionError("a dead process ran on")

    def freeze(self, seconds: float) -> None:
        """As by SIGSTOP, from the next step on; what falls due meanwhile runs after the thaw. Frozen twice: the later.

        Args: seconds, of virtual time; may be infinite.
        """
        until = self._loop.time() + seconds
        if until > self.frozen_until:
            self.frozen_until = until
            self._loop.call_at(until, self._thaw, context=Context())

    def _thaw(self) -> None:
        deferred, self.deferred = self.deferred, []
        self._loop.make_ready(deferred)


class Handle(asyncio.TimerHandle):
    """One callback to be run: soon, or at `due`."""

    __slots__ = ("args", "callback", "context", "dropped", "due", "process")

    def __init__(self, due: float, callback: Callable[..., object], args: tuple[Any, ...], context: Context) -> None:
        # The parent's __init__ is left out: it costs more than all the rest of a step.
        self.due = due
        self.callback = callback
        self.args = args
        self.context = context
        self.process = context.get(PROCESS)
        self.dropped = False

    def cancel(self) -> None:
        self.dropped = True
        self.callback, self.args = _nothing, ()

    def cancelled(self) -> bool:
        return self.dropped

    def when(self) -> float:
        return self.due

    def __repr__(self) -> str:
        return f"<{told(self)}>"


class Future(asyncio.Future[T]):
    """A future whose hash is a count, not an address: sets of them have the same order in every run."""

    _number: int | None = None

    def __hash__(self) -> int:
        if self._number is None:
            self._number = next_number(self)
        return self._number


class Task(asyncio.Task[T]):
    """A task that knows its process, with a hash as `Future` has."""

    _number: int | None = None
    process: Process | None = None

    def __hash__(self) -> int:
        if self._number is None:
            self._number = next_number(self)
        return self._number


class SimulatedLoop(Unsupported):
    """Close it after reading what the run has shown: closing lets the `finally` of abandoned coroutines run.

    It may be run several times before. Ask `pending`, not `asyncio.all_tasks`, which depends on loops before this one.

    Args: chance, for the order alone; start, seconds; steps, the most in all; watch, told of each step in one line.
    An exception out of a plain callback leaves the run at once; what nobody heard of is in `unhandled` afterwards.
    """

    def __init__(
        self, chance: Random, *, start: float = 0.0, steps: int = 1_000_000, watch: Callable[[str], None] | None = None
    ) -> None:
        self.steps = 0
        self.numbers = count(1)
        self.unhandled: list[dict[str, Any]] = []
        self._random = chance.random
        self._now = start
        self._limit = steps
        self._watch = watch
        self._arriving: list[Handle] = []
        self._closed_pool: list[Handle] = []
        self._timers: list[tuple[float, int, Handle]] = []
        self._timer_numbers = count()
        self._tasks: list[Task[Any]] = []
        self._prune_at = 1024
        self._closed = False

    def time(self) -> float:
        return self._now

    def process(self, name: str) -> Process:
        return Process(self, name)

    # Scheduling

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = Handle(self._now, callback, args, copy_context() if context is None else context)
        self._arriving.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = Handle(when, callback, args, copy_context() if context is None else context)
        if when <= self._now:
            self._arriving.append(handle)
        elif when < math.inf:
            heappush(self._timers, (when, next(self._timer_numbers), handle))
        return handle

    def make_ready(self, handles: list[Handle]) -> None:
        self._arriving += handles

    def create_future(self) -> Future[Any]:
        return Future(loop=self)

    def create_task(  # type: ignore[override] # A generator is no coroutine to us.
        self, coro: Coroutine[Any, Any, T], *, name: object = None, context: Context | None = None
    ) -> Task[T]:
        context = copy_context() if context is None else context
        # asyncio's own names count on from run to run.
        task = Task(coro, loop=self, name=str(name or f"task {next(self.numbers)}"), context=context)
        task.process = context.get(PROCESS)
        self._tasks.append(task)
        if len(self._tasks) > self._prune_at:
            self._tasks = [task for task in self._tasks if not task.done() or is_unheard(task)]
            self._prune_at = 1024 + 2 * len(self._tasks)
        return task

    # Running

    def run_until_complete(self, future: Generator[Any, None, T] | Awaitable[T]) -> T:
        """Raises: Stuck, TooLong, and what the future raises."""
        if self._closed:
            raise RuntimeError("the loop is closed")
        with self._alone():
            main = asyncio.ensure_future(future, loop=self)
            self._run(main)
        return main.result()

    def is_running(self) -> bool:
        return asyncio._get_running_loop() is self

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Drop what is left, quietly. Nothing that a `finally` schedules now will run."""
        if self._closed:
            return
        self._closed = True
        with self._alone():  # Without a running loop an await fails at once, and who tries again would do so for ever.
            for task in self._tasks:
                if not task.done():
                    end(task.get_coro())
                elif is_unheard(task) and not is_dead(task.process):
                    error = task.exception()
                    self.unhandled.append({"message": "nobody heard this exception", "task": task, "exception": error})
        self._tasks, self._arriving, self._closed_pool, self._timers = [], [], [], []

    def _run(self, main: asyncio.Future[Any]) -> None:
        """The hot path. A pool takes newcomers until PATIENCE is over, then runs empty while they wait in the next."""
        random, watch, limit = self._random, self._watch, self._limit
        pool = self._closed_pool or self._arriving
        patience = PATIENCE
        try:
            while not main.done():
                ready = len(pool)
                if ready == 0:
                    if pool is self._arriving:
                        self._jump()
                    pool = self._arriving
                    patience = PATIENCE
                    continue
                handle = pool.pop()
                if ready > 1:
                    drawn = int(random() * ready)
                    if drawn < ready - 1:
                        handle, pool[drawn] = pool[drawn], handle
                patience -= 1
                if patience == 0 and pool is self._arriving:
                    self._arriving = []
                if handle.dropped:
                    continue
                process = handle.process
                if process is not None:
                    if not process.alive:
                        continue
                    if process.frozen_until > self._now:
                        process.deferred.append(handle)
                        continue
                if self.steps == limit:
                    raise TooLong(f"more than {limit} steps; pending:\n{self.pending()}")
                self.steps += 1
                if watch is not None:
                    watch(f"{self._now!r} {told(handle)}")
                handle.context.run(handle.callback, *handle.args)
        finally:
            self._closed_pool = pool if pool is not self._arriving else []

    def _jump(self) -> None:
        """To the next timer that anybody still waits for; all that are due with it become ready."""
        timers = self._timers
        while timers and (timers[0][2].dropped or is_dead(timers[0][2].process)):
            heappop(timers)
        if not timers:
            raise Stuck(f"nothing is ready and no timer is left; pending:\n{self.pending()}")
        self._now = timers[0][0]
        while timers and timers[0][0] <= self._now:
            self._arriving.append(heappop(timers)[2])

    def pending(self) -> str:
        """The tasks of the living that are not done, one a line."""
        waiting = (task for task in self._tasks if not task.done() and not is_dead(task.process))
        return "\n".join(f"  {owner(task.process)}{task.get_name()}: {place(task.get_coro())}" for task in waiting)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Be the running loop. The garbage collector waits: when it runs depends on what ran before this schedule."""
        if asyncio._get_running_loop() is not None:
            raise RuntimeError("another loop is running")
        collecting = gc.isenabled()
        hooks = sys.get_asyncgen_hooks()
        gc.disable()
        sys.set_asyncgen_hooks(firstiter=None, finalizer=self._abandoned)
        asyncio._set_running_loop(self)
        try:
            yield
        finally:
            asyncio._set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)
            if collecting:
                gc.enable()

    def _abandoned(self, generator: AsyncGenerator[Any, Any]) -> None:
        """As asyncio does; once closed, let it go without a word."""
        if not self._closed and self.is_running():
            self.create_task(generator.aclose())

    # What asyncio asks of a loop

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self._closed:
            self.unhandled.append(context)


def _nothing() -> None:
    """What a cancelled handle would run."""


def next_number(future: asyncio.Future[Any]) -> int:
    loop = future.get_loop()
    assert isinstance(loop, SimulatedLoop)
    return next(loop.numbers)


def is_dead(process: Process | None) -> bool:
    return process is not None and not process.alive


def is_unheard(task: Task[Any]) -> bool:
    return bool(task._log_traceback)


def end(work: Coroutine[Any, Any, Any] | Generator[Any, Any, Any] | None) -> None:
    """Close a coroutine, however often it awaits something on its way out."""
    for _ in range(100):
        try:
            if work is not None:
                work.close()
            return
        except BaseException:  # The dead are not heard.
            continue
    _unclosable.append(work)


def told(handle: Handle) -> str:
    """Whose it is and what, without addresses."""
    task = getattr(handle.callback, "__self__", None)
    what = task.get_name() if isinstance(task, Task) else getattr(handle.callback, "__qualname__", "callback")
    return f"{owner(handle.process)}{what}"


def owner(process: Process | None) -> str:
    return "" if process is None else f"{process.name}/"


def place(work: Any) -> str:
    """Where a coroutine waits: the innermost of the coroutines it awaits."""
    inner = work
    while True:
        awaited = getattr(inner, "cr_await", None) or getattr(inner, "ag_await", None)
        if getattr(awaited, "cr_frame", None) is None and getattr(awaited, "ag_frame", None) is None:
            break
        inner = awaited
    frame = getattr(inner, "cr_frame", None) or getattr(inner, "ag_frame", None)
    name = getattr(inner, "__qualname__", "?")
    return name if frame is None else f"{name} at {Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
