"""What is told of a path, and how."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

# Of the floor's own rounds; beyond it the machine had other things to do.
TOO_NOISY = 0.3
HEAD = (
    f"{'path':14} {'callers':>7} {'seller':>7} {'unit':>11} {'ours':>10} {'floor':>10} {'usual':>10}"
    f" {'/floor':>7} {'/usual':>7} {'spread':>7} {'goal':>6}  met"
)


@dataclass(frozen=True, slots=True)
class Line:
    """`ours`, `floor` and `usual` are of the `unit`; of both ratios more is better."""

    path: str
    callers: int
    upstream_ms: int
    unit: str
    ours: float
    floor: float | None
    usual: float | None
    ratio_floor: float | None
    ratio_usual: float | None
    spread: float | None
    goal: float | None
    met: bool | None
    note: str = ""

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        return cls(**said)

    @property
    def place(self) -> tuple[str, int, int, str]:
        """What tells it from others; a note with figures in it does not."""
        return self.path, self.callers, self.upstream_ms, "" if any(map(str.isdigit, self.note)) else self.note

    @property
    def too_noisy(self) -> bool:
        return self.spread is not None and self.spread > TOO_NOISY

    def as_json(self) -> dict[str, Any]:
        return {name: round(value, 3) if type(value) is float else value for name, value in asdict(self).items()}

    def as_text(self) -> str:
        """In the columns of HEAD."""

        def of(value: float | None, form: str) -> str:
            return "" if value is None else format(value, form)

        met = "too noisy to tell" if self.too_noisy else {True: "yes", False: "no", None: ""}[self.met]
        return (
            f"{self.path:14} {self.callers:7} {self.upstream_ms:4} ms {self.unit:>11} {self.ours:10,.2f}"
            f" {of(self.floor, ',.2f'):>10} {of(self.usual, ',.2f'):>10} {of(self.ratio_floor, '.2f'):>7}"
            f" {of(self.ratio_usual, '.1f'):>7} {of(self.spread, '.2f'):>7} {of(self.goal, '.2f'):>6}"
            f"  {met} {self.note}"
        ).rstrip()


class Told:
    """On stdout; what the large benches print on their way goes to stderr meanwhile. `lines`: what was told."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._out = sys.stdout
        self.lines: list[Line] = []
        if not as_json:
            print(HEAD, flush=True)

    def line(self, line: Line) -> None:
        self.lines.append(line)
        print(json.dumps(line.as_json()) if self._as_json else line.as_text(), flush=True, file=self._out)
