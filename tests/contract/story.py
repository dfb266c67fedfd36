"""The list of stories: each belongs to a row, says in words what is wrong at Teli, and finds an empty ledger."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.contract.scene import Scene

Plot = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Story:
    """`plot` plays it, from the arming of the fault to what the caller sees last.

    `broken`: why a promise is not kept here yet. Such a story is not on the page, and must fail until it is mended.
    """

    row: int
    fault: str
    plot: Plot
    broken: str | None = None

    @property
    def name(self) -> str:
        return f"{self.row:02} {self.fault}"


STORIES: list[Story] = []


def story(row: int, fault: str, *, broken: str | None = None) -> Callable[[Plot], Plot]:
    """Put the decorated function on the list."""

    def listed(plot: Plot) -> Plot:
        STORIES.append(Story(row, fault, plot, broken))
        return plot

    return listed


def purchase(
    row: int, fault: str, armed: str | None = None, /, switched: dict[str, Any] | None = None, **terms: Any
) -> None:
    """The plainest story: a fault or a switch lies in wait, the caller buys one number, and everything settles."""

    @story(row, fault)
    async def plot(scene: Scene) -> None:
        if armed:
            await scene.teli.arm(armed, **terms)
        if switched:
            await scene.teli.switch(**switched)
        await scene.caller.buys()
        await scene.settles()
