"""One running gateway for all stories of a file."""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import Engines, fresh_database, gateways
from tests.contract.scene import Scene, Stage, stage
from tests.simulator.control import SimulatorControl
from tests.simulator.program import Simulator


@pytest.fixture(scope="module", name="stage")
async def one_stage(engines: Engines, template: str, teli_process: Simulator) -> AsyncIterator[Stage]:
    async with fresh_database(engines, template) as url, SimulatorControl(teli_process.control_url) as teli:
        await teli.reset()
        async with stage(gateways(engines.valkey.url, url, teli_process, teli)) as ready:
            yield ready


@pytest.fixture
async def scene(stage: Stage) -> Scene:
    """An empty ledger, a Teli that was reset, one caller."""
    return await stage.scene()
