"""The simulated loop: its time is its own, its order is the seed's, and a killed process does nothing more."""

import asyncio
import gc
import math
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, suppress
from random import Random

import pytest

from tests.simulation.loop import PATIENCE, Process, SimulatedLoop, Stuck, TooLong
from tests.simulation.shuffled import digest


@pytest.fixture
def loop() -> Iterator[SimulatedLoop]:
    with closing(SimulatedLoop(Random("loop"), start=100.0)) as loop:
        yield loop
    assert loop.unhandled == []


@pytest.fixture
def effects() -> list[str]:
    return []


def run_order(seed: int, work: Callable[[list[int]], Awaitable[None]]) -> list[int]:
    seen: list[int] = []
    with closing(SimulatedLoop(Random(seed))) as loop:
        loop.run_until_complete(work(seen))
    return seen


async def ten_at_once(seen: list[int]) -> None:
    async def one(number: int) -> None:
        await asyncio.sleep(0)
        seen.append(number)

    await asyncio.gather(*(one(number) for number in range(10)))


# Time


def test_time_stands_still_while_anything_is_ready_and_then_jumps(loop: SimulatedLoop):
    async def program() -> list[float]:
        times = [loop.time()]
        for seconds in (0, 86_400, 0.5):
            await asyncio.sleep(seconds)
            times.append(loop.time())
        return times

    assert loop.run_until_complete(program()) == [100.0, 100.0, 86_500.0, 86_500.5]


def test_time_does_not_jump_to_what_nobody_waits_for_any_more(loop: SimulatedLoop):
    async def program() -> None:
        loop.call_later(1_000, print).cancel()
        async with asyncio.timeout(2_000):
            await asyncio.sleep(1)
        dead = loop.process("dead")
        dead.start(asyncio.sleep(3_000))
        await asyncio.sleep(1)
        dead.kill()
        await asyncio.sleep(math.inf)

    with pytest.raises(Stuck):
        loop.run_until_complete(program())

    assert loop.time() == 102.0


def test_a_loop_can_be_run_again_and_its_time_and_its_tasks_go_on(loop: SimulatedLoop):
    async def program() -> asyncio.Task[int]:
        return asyncio.create_task(asyncio.sleep(5, result=7))

    task = loop.run_until_complete(program())
    loop.run_until_complete(asyncio.sleep(1))

    assert not task.done()
    assert loop.run_until_complete(task) == 7
    assert loop.time() == 105.0


def test_a_generator_left_halfway_is_closed(loop: SimulatedLoop, effects: list[str]):
    async def generator() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(1)
            effects.append("closed")

    async def program() -> None:
        async for _ in generator():
            break
        await asyncio.sleep(2)

    loop.run_until_complete(program())

    assert effects == ["closed"]


def test_what_asyncio_offers_to_wait_works(loop: SimulatedLoop):
    async def numbers() -> AsyncIterator[int]:
        for number in range(3):
            await asyncio.sleep(1)
            yield number

    async def program() -> None:
        event, queue, lock = asyncio.Event(), asyncio.Queue[int](), asyncio.Lock()
        loop.call_later(5, event.set)
        await asyncio.wait_for(event.wait(), 6)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 6)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(6):
                await asyncio.shield(asyncio.sleep(7))
        with pytest.raises(ExceptionGroup):
            await fail_together()
        async with lock:
            loop.call_later(1, queue.put_nowait, 7)
            assert await queue.get() == 7
        both = await asyncio.gather(fail(), asyncio.sleep(1, result=2), return_exceptions=True)
        assert both[0] is FAILURE and both[1] == 2
        assert [number async for number in numbers()] == [0, 1, 2]

    loop.run_until_complete(program())


FAILURE = ZeroDivisionError()


async def fail_together() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(math.inf))
        group.create_task(fail())


async def fail() -> None:
    await asyncio.sleep(1)
    raise FAILURE


# Order


def test_one_seed_gives_one_order_and_others_give_others():
    orders = [run_order(seed, ten_at_once) for seed in range(20)]

    assert orders == [run_order(seed, ten_at_once) for seed in range(20)]
    assert len({tuple(order) for order in orders}) == 20
    assert all(sorted(order) == list(range(10)) for order in orders)


def test_a_chain_of_steps_may_overtake_a_single_one():
    async def race(seen: list[int]) -> None:
        async def steps(number: int) -> None:
            for _ in range(number):
                await asyncio.sleep(0)
            seen.append(number)

        await asyncio.gather(steps(0), steps(3))

    assert {tuple(run_order(seed, race)) for seed in range(100)} == {(0, 3), (3, 0)}


def test_nothing_ready_waits_longer_than_patience_however_many_come_after_it():
    async def crowd(seen: list[int]) -> None:
        loop = asyncio.get_running_loop()
        steps = 0

        def breed() -> None:
            nonlocal steps
            steps += 1
            loop.call_soon(breed)

        for _ in range(50):
            loop.call_soon(breed)
        for _ in range(200):
            asked = steps
            await asyncio.sleep(0)
            seen.append(steps - asked)

    waits = run_order(1, crowd)

    assert max(waits) <= 2 * PATIENCE
    assert max(waits) > 60


def test_a_seed_gives_one_trace_whatever_lies_in_memory():
    first = digest("seed 7")
    clutter = [object() for _ in range(10_007)]

    assert digest("seed 7") == first
    assert digest("seed 8") != first
    assert len(clutter) == 10_007


@pytest.mark.parametrize("hash_seed", ["0", "1", "4242"])
def test_a_seed_gives_one_trace_in_every_process(hash_seed: str):
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    program = [sys.executable, "-m", "tests.simulation.shuffled", "seed 7"]

    told = subprocess.run(program, env=environment, capture_output=True, text=True, check=True)

    assert told.stdout.strip() == digest("seed 7")


# Kill


async def careful(effects: list[str], work: Awaitable[object]) -> None:
    effects.append("begun")
    try:
        await work
        effects.append("done")
    except BaseException:
        effects.append("except")
        raise
    finally:
        effects.append("finally")


@pytest.mark.parametrize("frozen_first", [False, True])
def test_a_killed_process_runs_no_finally_and_no_except(loop: SimulatedLoop, effects: list[str], frozen_first: bool):
    async def program() -> None:
        process = loop.process("gateway")
        task = process.start(careful(effects, asyncio.sleep(10)))
        future = loop.create_future()
        process.start(careful(effects, future))
        await asyncio.sleep(1)
        if frozen_first:
            process.freeze(3)
            future.set_result(1)
            task.cancel()
            await asyncio.sleep(1)
            process.kill()
        else:
            process.kill()
            future.set_result(1)
            task.cancel()
        del process, task, future
        gc.collect()
        await asyncio.sleep(1_000)

    loop.run_until_complete(program())

    assert effects == ["begun", "begun"]


def test_a_process_that_dies_goes_no_step_further(loop: SimulatedLoop, effects: list[str]):
    async def program() -> None:
        process = loop.process("gateway")
        process.start(careful(effects, process.die()))
        await asyncio.sleep(1)

    loop.run_until_complete(program())

    assert effects == ["begun"]


def test_what_a_process_begins_is_its_own_and_dies_with_it_and_another_of_its_name_lives(
    loop: SimulatedLoop, effects: list[str]
):
    async def parent(process: Process) -> None:
        process.start(careful(effects, asyncio.sleep(5)))
        loop.call_later(5, effects.append, "timer")
        async with asyncio.TaskGroup() as group:
            group.create_task(careful(effects, asyncio.sleep(5)))

    async def program() -> None:
        first, second = loop.process("gateway"), loop.process("gateway")
        first.start(parent(first))
        await asyncio.sleep(1)
        first.kill()
        second.start(careful(effects, asyncio.sleep(1)))
        await asyncio.sleep(10)

    loop.run_until_complete(program())

    assert effects == ["begun", "begun", "begun", "done", "finally"]


async def stubborn() -> None:
    while True:
        with suppress(BaseException):
            await asyncio.sleep(1)


async def fail_at_once() -> None:
    raise KeyError


async def yielding() -> AsyncIterator[int]:
    try:
        yield 1
    finally:
        await asyncio.sleep(1)


async def breaks_off(generators: list[AsyncIterator[int]]) -> None:
    generators.append(yielding())
    async for _ in generators[0]:
        await asyncio.sleep(math.inf)


async def leaves_slowly() -> None:
    try:
        await asyncio.sleep(math.inf)
    finally:
        for _ in range(3):
            await asyncio.sleep(1)


def test_the_end_is_quiet_whatever_was_abandoned(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture):
    async def program(loop: SimulatedLoop) -> None:
        dead, alive = loop.process("dead"), loop.process("alive")
        for process in (dead, alive):
            process.start(stubborn())
            process.start(leaves_slowly())
            process.start(breaks_off([]))
            process.start(fail())
        dead.start(fail_at_once())
        await asyncio.sleep(0.5)
        dead.start(leaves_slowly())
        dead.kill()
        await asyncio.sleep(1)

    with closing(SimulatedLoop(Random(1))) as loop:
        loop.run_until_complete(program(loop))
    del program
    gc.collect()

    assert [told["exception"] for told in loop.unhandled] == [FAILURE]
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


# Freeze


def test_a_frozen_process_does_nothing_until_its_thaw_and_then_finds_its_timeouts_late(
    loop: SimulatedLoop, effects: list[str]
):
    moments: list[float] = []

    async def frozen() -> None:
        try:
            async with asyncio.timeout(5):
                await asyncio.sleep(math.inf)
        except TimeoutError:
            moments.append(loop.time())

    async def program() -> None:
        process = loop.process("gateway")
        process.start(frozen())
        process.start(careful(effects, asyncio.sleep(2)))
        await asyncio.sleep(1)
        process.freeze(20)
        process.freeze(60)
        process.freeze(30)
        await asyncio.sleep(59)
        assert effects == ["begun"] and moments == []
        await asyncio.sleep(59)

    loop.run_until_complete(program())

    assert moments == [161.0]
    assert effects == ["begun", "done", "finally"]


def test_after_a_thaw_an_answer_and_its_timeout_may_come_in_either_order():
    async def race(seen: list[int]) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedLoop)
        answer = loop.create_future()
        process = loop.process("gateway")

        async def listen() -> None:
            try:
                async with asyncio.timeout(5):
                    seen.append(await answer)
            except TimeoutError:
                seen.append(0)

        listening = process.start(listen())
        await asyncio.sleep(1)
        process.freeze(60)
        await asyncio.sleep(1)
        answer.set_result(1)
        await listening

    assert {tuple(run_order(seed, race)) for seed in range(50)} == {(0,), (1,)}


# Bounds


def test_a_run_that_waits_for_nothing_is_stuck_and_says_who_waits_and_where(loop: SimulatedLoop):
    async def inner() -> None:
        await asyncio.Event().wait()

    async def outer() -> None:
        await inner()

    async def program() -> None:
        loop.process("dead").start(outer(), name="gone")
        process = loop.process("dead")
        process.start(outer(), name="gone")
        await asyncio.sleep(0)
        process.kill()
        await loop.process("worker").start(outer(), name="resolver")

    with pytest.raises(Stuck) as stuck:
        loop.run_until_complete(program())

    [_, *lines] = str(stuck.value).splitlines()
    assert len(lines) == 3
    assert any(line.startswith("  worker/resolver: Event.wait at locks.py:") for line in lines)


def test_a_run_over_its_steps_is_too_long():
    async def busy() -> None:
        while True:
            await asyncio.sleep(0)

    with closing(SimulatedLoop(Random(1), steps=1_000)) as loop, pytest.raises(TooLong):
        loop.run_until_complete(busy())

    assert loop.steps == 1_000


def test_an_error_in_a_plain_callback_leaves_the_run_at_once(loop: SimulatedLoop):
    async def program() -> None:
        loop.call_soon(int, "x")
        await asyncio.sleep(1)

    with pytest.raises(ValueError, match="invalid literal"):
        loop.run_until_complete(program())


def test_threads_sockets_and_signals_are_refused(loop: SimulatedLoop):
    async def program() -> None:
        with pytest.raises(NotImplementedError):
            await asyncio.to_thread(print)
        with pytest.raises(NotImplementedError):
            await asyncio.open_connection("127.0.0.1", 1)
        with pytest.raises(NotImplementedError):
            loop.add_signal_handler(2, print)
        with pytest.raises(NotImplementedError):
            loop.call_soon_threadsafe(print)

    loop.run_until_complete(program())
