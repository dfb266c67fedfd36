"""Names that hang hold up no look-up of a name that answers, however many they are."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from threading import Event

import pytest

from service.webhooks.errors import TargetRefused
from service.webhooks.resolving import THREADS, Resolving
from service.webhooks.targets import Targets

GOOD = "93.184.216.34"


class Names:
    """A resolver of the system that hangs for as long as it is held, for the names that begin so."""

    def __init__(self) -> None:
        self.hangs = "hangs"
        self.asked = Counter[str]()
        self.goes_on = Event()

    def look_up(self, hostname: str, _port: int) -> Sequence[str]:
        self.asked[hostname] += 1
        if hostname.startswith(self.hangs):
            self.goes_on.wait(60)
        return [GOOD]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    monkeypatch.setattr("service.webhooks.targets.RESOLVED_WITHIN", 0.5)
    monkeypatch.setattr("service.webhooks.resolving.HANGS", 0.2)
    found = Names()
    yield found
    found.goes_on.set()


async def ask(targets: Targets, *hosts: str) -> list[bool]:
    """Which of them lead somewhere, asked for at the same time."""
    found = await asyncio.gather(*(targets.find(f"https://{host}.example/") for host in hosts), return_exceptions=True)
    assert all(not isinstance(one, Exception) or isinstance(one, TargetRefused) for one in found)
    return [not isinstance(one, Exception) for one in found]


def hanging(of: str) -> list[str]:
    """More than there are threads."""
    return [f"hangs-{of}-{n}" for n in range(2 * sum(THREADS.values()))]


async def test_names_that_hang_take_no_thread_of_those_that_answer(names: Names):
    targets = Targets(resolve=Resolving(names.look_up))
    assert await ask(targets, "good", "better") == [True, True]

    assert not any(await ask(targets, *hanging("a")))
    assert await ask(targets, "good", "better") == [True, True]
    hung = [name for name in names.asked if name.startswith("hangs")]
    assert len(hung) == THREADS["new"]


async def test_names_that_hung_before_take_no_thread_of_those_that_are_new(names: Names):
    targets = Targets(resolve=Resolving(names.look_up))
    few = hanging("a")[: THREADS["new"]]
    assert not any(await ask(targets, *few))
    names.goes_on.set()
    await asyncio.sleep(0.1)
    names.goes_on.clear()

    assert not any(await ask(targets, *few))
    assert await ask(targets, "new", "newer") == [True, True]


async def test_a_name_that_answers_again_is_believed(names: Names):
    targets = Targets(resolve=Resolving(names.look_up))
    assert await ask(targets, "hangs") == [False]
    names.goes_on.set()
    assert await ask(targets, "hangs") == [True]
    assert await ask(targets, "hangs") == [True]


async def test_one_name_takes_one_thread_however_many_ask_for_it(names: Names):
    targets = Targets(resolve=Resolving(names.look_up))
    assert not any(await ask(targets, *(["hangs"] * 100)))
    assert not any(await ask(targets, *(["hangs"] * 100)))
    assert names.asked["hangs.example"] == 1


async def test_an_answer_is_never_kept_for_the_next_who_asks(names: Names):
    """What a name leads to is asked anew each time, and what is connected to is what was checked."""
    targets = Targets(resolve=Resolving(names.look_up))
    assert await ask(targets, "good") == [True]
    assert await ask(targets, "good") == [True]
    assert names.asked["good.example"] == 2


async def test_that_there_is_no_such_name_is_an_answer():
    def nobody(hostname: str, _port: int) -> Sequence[str]:
        raise OSError(hostname)

    assert await ask(Targets(resolve=Resolving(nobody)), "missing", "missing") == [False, False]
