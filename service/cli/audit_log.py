"""`numbergate audit list` and `export`: the audit log, read through the gateway."""

import json as jsonlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from service.cli.faults import failed
from service.cli.remote import remote
from service.cli.words import fit, known, moment

FIRST = 100
NDJSON = "application/x-ndjson"


def run_list(filters: dict[str, Any], *, everything: bool, json: bool, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    with remote(url, key) as gateway:
        wanted = gateway.items("/v1/admin/audit", **filters)
        items = list(wanted if everything else islice(wanted, FIRST))
        more = next(wanted, None) is not None
    if json:
        print(jsonlib.dumps({"items": items, "complete": not more}))
        return 0
    for item in items:
        print(_line(item))
    if not items:
        print("No entries.")
    if more:
        print(f"The last {FIRST}; --all shows every one.", file=sys.stderr)
    return 0


def _line(item: dict[str, Any]) -> str:
    of = f"{item['object_kind']} {fit(str(item['object_id']))}"
    changed = " → ".join(_shown(item[side]) for side in ("before", "after") if item[side] is not None)
    return (
        f"{item['id']:>8}  {moment(item['at'])}  {fit(str(item['actor']))}  {fit(str(item['action']))}  {of}"
        f"  {changed or '–'}  (request {known(item['request_id'])})"
    )


def _shown(value: Any) -> str:
    return fit(jsonlib.dumps(value, ensure_ascii=False))


def run_export(filters: dict[str, Any], output: Path, *, url: str | None, key: str | None) -> int:
    """Returns the exit code."""
    try:
        with remote(url, key) as gateway, gateway.stream("/v1/admin/audit", accept=NDJSON, **filters) as answer:
            size = int(answer.headers.get("Content-Length", 0))
            with _opened(output) as file, progress_bar() as bar:
                task = bar.add_task("exporting", total=size)
                for piece in answer.iter_bytes():
                    file.write(piece)
                    bar.update(task, advance=len(piece))
    except OSError as error:
        return failed(f"{output}: {error.strerror or error}")
    return 0


@contextmanager
def _opened(output: Path) -> Iterator[BinaryIO]:
    if str(output) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with output.open("wb") as file:
        yield file


def progress_bar() -> Progress:
    """On stderr, and only at a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
