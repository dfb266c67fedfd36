"""What is listed and what is shown, to a person or to a program: one way for all commands."""

import json as jsonlib
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from typing import Any

from service.cli.terminal import console, table

Item = dict[str, Any]
# Of an item what a person sees, by the heads of the columns.
Cells = Callable[[Item], Mapping[str, str]]
FIRST = 100


def first(found: Iterator[Item], *, everything: bool) -> tuple[list[Item], bool]:
    """As many as are shown, and whether they are all there are."""
    items = list(found if everything else islice(found, FIRST))
    return items, everything or next(found, None) is None


def show_items(
    items: list[Item], what: str, cells: Cells, whole: Collection[str], *, complete: bool, json: bool
) -> int:
    """`whole`: columns that are never cut, for they are copied. Returns the exit code."""
    if json:
        print(jsonlib.dumps({"items": items, "complete": complete}))
        return 0
    out = console()
    if items:
        out.print(table([cells(one) for one in items], out.width, whole))
    else:
        out.print(f"No {what}.")
    if not complete:
        print(f"The first {FIRST} {what}; --all shows every one.", file=sys.stderr)
    return 0


def show_one(told: Item, cells: Cells, *, json: bool) -> int:
    """Returns the exit code."""
    if json:
        print(jsonlib.dumps(told))
        return 0
    shown = cells(told)
    width = max(map(len, shown))
    for name, value in shown.items():
        print(f"{name:<{width}}  {value}")
    return 0
