"""A caller with defaults never buys twice and always learns the outcome, wherever the line to the gateway is cut, byte
by byte, and whatever Teli does meanwhile. Purchases are counted at the simulator.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import pytest

from service.client import errors
from tests.client.asked import AREA_CODES, asking
from tests.http.serving import served
from tests.support.gateway import USER, Gateway

pytestmark = pytest.mark.usefixtures("patient_sends")
UPSTREAM: dict[str, dict[str, Any] | None] = {
    "sells": None,
    "sells, and its answer is lost": {"fault": "reset", "step": "recorded"},
    "sells, and says 500": {"fault": "server_error", "step": "recorded"},
    "sells, and its answer is cut short": {"fault": "cut_json"},
    "is slow": {"fault": "slow", "seconds": 1.2},
    "has none": None,
}
# More than a purchase and its answer are long, so that some are cut between two requests of one connection.
LONGEST = 2_500


@dataclass(frozen=True)
class Cut:
    """Of one connection: after so many bytes of what is asked, or of what is answered; reset, or closed in order."""

    asked: bool
    after: int
    reset: bool


class CutLine:
    """A TCP proxy before the gateway, whose connections are cut as planned; those after the last cut are whole."""

    def __init__(self, target: int, cuts: Sequence[Cut]) -> None:
        self._target, self._cuts = target, list(cuts)
        self.done: list[Cut] = []
        self.connections = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, near_in: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        self.connections += 1
        cut = self._cuts.pop(0) if self._cuts else None
        far_in, far = await asyncio.open_connection("127.0.0.1", self._target)

        async def carry(source: asyncio.StreamReader, to: asyncio.StreamWriter, *, asked: bool) -> None:
            left = cut.after if cut is not None and cut.asked == asked else None
            while left is None or left > 0:
                data = await source.read(LONGEST if left is None else min(left, LONGEST))
                if not data:
                    return
                to.write(data)
                await to.drain()
                left = None if left is None else left - len(data)
            assert cut is not None
            self.done.append(cut)

        ways = [
            asyncio.create_task(carry(near_in, far, asked=True)),
            asyncio.create_task(carry(far_in, near, asked=False)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for end in (near, far):
            if cut is not None and cut.reset and cut in self.done:
                end.transport.abort()
            else:
                end.close()


def drawn(seed: int) -> list[tuple[str, str, list[Cut]]]:
    """For each area code what Teli does, and up to three cuts. The first bytes and the last are where most can go
    wrong, so that half of the cuts are near them.
    """
    chance, found = random.Random(seed), []
    for place, area_code in enumerate(AREA_CODES):
        cuts = [
            Cut(
                asked=chance.random() < 0.5,
                after=chance.choice((0, 1, chance.randrange(400), chance.randrange(LONGEST))),
                reset=chance.random() < 0.5,
            )
            for _ in range(chance.randrange(1, 4))
        ]
        found.append((area_code, list(UPSTREAM)[place % len(UPSTREAM)], cuts))
    return found


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(1, 20))])
async def test_one_number_is_bought_and_told_wherever_the_line_is_cut(gateway: Gateway, kind: str, seed: int):
    tenant = await gateway.tenant()
    await gateway.mark_mode(tenant)
    plan, cut = drawn(seed), Counter[bool]()

    async def one(port: int, area_code: str, upstream: str, cuts: list[Cut]) -> None:
        if (fault := UPSTREAM[upstream]) is not None:
            await gateway.teli.arm(**fault, match={"area_code": area_code})
        if upstream == "has none":
            await gateway.teli.stock(area_code, 0)
        async with (
            CutLine(port, cuts) as line,
            asking(kind, f"http://127.0.0.1:{line.port}", tenant.key) as asked,
        ):
            if upstream == "has none":
                with pytest.raises(errors.NoNumbersAvailable):
                    await asked("buy", area_code, USER)
            else:
                number = await asked("buy", area_code, USER)
                assert (number.area_code, number.state) == (area_code, "active")
        cut.update(done.asked for done in line.done)

    async with served(gateway) as port:
        await gateway.looking_meanwhile(asyncio.gather(*(one(port, *each) for each in plan)))

    sold = Counter(purchase["phone_number"][2:5] for purchase in await gateway.teli.purchases())
    wanted = Counter(area_code for area_code, upstream, _ in plan if upstream != "has none")
    assert sold - Counter(["313"]) == wanted  # One of 313 more is from mark_mode.
    assert min(cut[True], cut[False]) > 3, "lines were cut in what was asked and in what was answered"
