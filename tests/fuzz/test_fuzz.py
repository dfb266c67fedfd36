"""Whatever is sent by whomever: no answer is a fault of ours, breaks the document, or tells of another tenant."""

from collections.abc import Callable

import pytest

from tests.conftest import OpenGateway
from tests.fuzz.canaries import CANARIES
from tests.fuzz.cast import Cast
from tests.fuzz.running import fuzz

Tell = Callable[[str, object], None]
IN_CI, IN_FULL = 2400, 16_000


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
    record_property(
        "told",
        f"{report.asked} fuzzed requests: {dict(sorted(report.statuses.items()))}; "
        f"never answered with success: {sorted(operations - report.succeeded) or 'none'}",
    )
    assert len(report.succeeded) >= 0.8 * len(operations), "what is always refused is hardly tried"


@pytest.mark.full
@pytest.mark.timeout(1800)
async def test_the_same_requests_find_at_least_nine_of_ten_planted_faults(
    open_gateway: OpenGateway, record_property: Tell
):
    after: dict[str, int | None] = {}
    async with open_gateway() as gateway:
        document = gateway.app.app.openapi()
        cast = await Cast.of(gateway)
        for plant in CANARIES:
            with plant(cast):
                report = await fuzz(gateway.app, document, cast, seed=IN_CI, requests=IN_CI, until_first=True)
            after[plant.__name__] = report.asked if report.faults else None
    found = {name: asked for name, asked in after.items() if asked is not None}
    record_property("told", f"{len(found)} of {len(CANARIES)} planted faults found, after so many requests: {after}")
    assert len(CANARIES) == 10
    assert len(found) >= 9, after
