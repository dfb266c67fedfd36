"""What a person sees at a terminal, or a program reads from a pipe; and is asked before what cannot be undone."""

import sys
from collections.abc import Collection, Mapping, Sequence
from errno import EPIPE

from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.cli.faults import BAD_CONFIGURATION

# Nobody's terminal: what goes into a pipe is cut nowhere.
UNCROPPED = 100_000
GAP = 2


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """As it is anywhere else that prints, see `service.cli.main.run`."""
        raise BrokenPipeError(EPIPE, "nobody reads any more")


def console() -> Console:
    return _Console(highlight=False, width=None if sys.stdout.isatty() else UNCROPPED)


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


_dry_run = False


def only_shown() -> None:
    """From here on nothing is asked, for nothing is to be done: `is_meant` ends the command."""
    global _dry_run  # noqa: PLW0603  A process runs one command.
    _dry_run = True


def is_meant(question: str) -> bool:
    """Asked on stderr: stdout is for what a program reads. The end of the input is a no.

    Exits with 0 for `--dry-run`, and with 2 where nobody is there to be asked.
    """
    if _dry_run:
        print(f"{question} Nothing was done, for --dry-run.", file=sys.stderr)
        raise SystemExit(0)
    if not sys.stdin.isatty():
        print(f"{question} There is no terminal to ask at, so nothing was done: --yes means it.", file=sys.stderr)
        raise SystemExit(BAD_CONFIGURATION)
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
