"""What a person sees at a terminal, or a program reads from a pipe; and is asked before what cannot be undone."""

import sys
from collections.abc import Collection, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

# Nobody's terminal: what goes into a pipe is cut nowhere.
UNCROPPED = 100_000
GAP = 2


def console() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else UNCROPPED)


def table(rows: Sequence[Mapping[str, str]], width: int, whole: Collection[str]) -> Table:
    """Columns that are `whole` are never cut, for they are copied; the rest shares what room there is."""
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0] if name in whole}
    others = [name for name in rows[0] if name not in whole]
    share = (width - sum(widths.values()) - GAP * len(rows[0])) // max(1, len(others))
    made = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for name in rows[0]:
        made.add_column(name, no_wrap=True, overflow="ellipsis", max_width=widths.get(name, max(1, share)))
    for row in rows:
        made.add_row(*map(Text, row.values()))
    return made


def is_meant(question: str) -> bool:
    """Asked on stderr: stdout is for what a program reads. The end of the input is a no."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not sys.stdin.isatty():  # Nobody's return key has ended the line.
        print(file=sys.stderr)
    return answer.strip().lower() in ("y", "yes")
