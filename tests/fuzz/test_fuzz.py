"""Whatever is sent by whomever: no answer is a fault of ours, breaks the document, or tells of another tenant."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import OpenGateway
from tests.fuzz import replay
from tests.fuzz.canaries import CANARIES, planted
from tests.fuzz.cast import Cast
from tests.fuzz.running import fuzz

Tell = Callable[[str, object], None]
IN_CI, IN_FULL = 5_000, 20_000
# A planted fault takes one of an operation's passes to find: the more operations, the more requests.
TO_FIND_PLANTED = 60

pytestmark = pytest.mark.usefixtures("short_polls")


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "requests", [pytest.param(IN_CI, marks=pytest.mark.ci), pytest.param(IN_FULL, marks=pytest.mark.full)]
)
async def test_no_request_breaks_anything_or_learns_of_others(
    open_gateway: OpenGateway, requests: int, record_property: Tell
):
    async with open_gateway() as gateway:
        document = gateway.app.app.openapi()
        cast = await Cast.of(gateway)
        before = await cast.holdings()
        report = await fuzz(gateway.app, document, cast, seed=requests, requests=requests)

        assert not report.faults, "\n".join(report.faults[:20])
        assert await cast.holdings() == before
    operations = {one["operationId"] for path in document["paths"].values() for one in path.values()}
    record_property("told", report.told(operations))
    assert len(report.succeeded) >= 0.9 * len(operations), "what is always refused is hardly tried"


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "seed", [pytest.param(1, marks=pytest.mark.ci), *(pytest.param(n, marks=pytest.mark.full) for n in range(2, 8))]
)
async def test_fewer_requests_find_at_least_nine_of_ten_planted_faults(
    open_gateway: OpenGateway, seed: int, record_property: Tell
):
    did_harm: set[str] = set()
    async with open_gateway() as gateway:
        document = gateway.app.app.openapi()
        operations = sum(len(path) for path in document["paths"].values())
        cast = await Cast.of(gateway)
        with planted(cast, did_harm):
            report = await fuzz(
                gateway.app,
                document,
                cast,
                seed=seed,
                requests=TO_FIND_PLANTED * operations,
                did_harm=did_harm,
                planted=len(CANARIES),
            )
    missed = {plant.__name__ for plant in CANARIES} - report.found.keys()
    record_property(
        "told",
        f"{len(report.found)} of {len(CANARIES)} planted faults found by {report.asked} requests, each after so many: "
        f"{report.found}; missed: {sorted(missed) or 'none'}",
    )
    assert len(CANARIES) == 10
    assert len(report.found) >= 9, missed


async def test_a_seed_asks_the_same_in_every_process_that_is_answered_the_same(
    open_gateway: OpenGateway, tmp_path: Path
):
    async with open_gateway() as gateway:
        document = gateway.app.app.openapi()
        cast = await Cast.of(gateway)
        report = await fuzz(gateway.app, document, cast, seed=7, requests=100)
    replay.write(tmp_path / "answers", document, cast.known, 7, [answer for _, answer in report.log])
    told = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.replay", str(tmp_path / "answers")],
        env=os.environ | {"PYTHONHASHSEED": "3"}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip

    assert told.stdout.strip() == replay.digest([ask for ask, _ in report.log])
