"""One simulator for all tests of this folder, reset before each."""

from collections.abc import AsyncIterator, Iterator

import pytest

from .control import SimulatorControl
from .program import Simulator
from .teli import TeliClient


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    running = Simulator()
    yield running
    running.stop()


@pytest.fixture
async def control(simulator: Simulator) -> AsyncIterator[SimulatorControl]:
    async with SimulatorControl(simulator.control_url) as control:
        await control.reset()
        yield control


@pytest.fixture
async def teli(simulator: Simulator, control: SimulatorControl) -> AsyncIterator[TeliClient]:
    async with TeliClient(simulator.url) as teli:
        yield teli
