"""docs/contract-rows.md: the table in it is what the stories tell, the words around it are written by hand."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from itertools import groupby
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "contract-rows.md"
HEAD = """
| Row | Fault | The caller saw | The ledger says | The carrier says | Who resolved it |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One story as the table tells it."""

    row: int
    fault: str
    caller: str
    ledger: str
    carrier: str
    resolved_by: str

    def as_text(self) -> str:
        return f"| {' | '.join(str(cell) for cell in astuple(self))} |"


# Where the stories note what they saw, while the page is being written.
SEEN = pytest.StashKey[list[Line]]()


def lines_of(page: str) -> list[Line]:
    """The table of the page, line by line."""
    cells = [line.strip("| ").split(" | ") for line in page.splitlines() if line[:3].strip("| ").isdigit()]
    return [Line(int(row), *rest) for row, *rest in cells]


def with_lines(page: str, lines: Iterable[Line]) -> str:
    """The page with these lines for its table; the stories of a row stay in their order."""
    before, after = page.split(HEAD)
    _, _, rest = after.partition("\n\n")
    table = "".join(line.as_text() + "\n" for line in sorted(lines, key=lambda line: line.row))
    return f"{before}{HEAD}{table}\n{rest}"


def repeated(said: Iterable[str]) -> str:
    """What was said, in its order; what was said again and again is counted."""
    counted = [(words, len(list(again))) for words, again in groupby(said)]
    return "; ".join(words if count == 1 else f"{count} × {words}" for words, count in counted)
