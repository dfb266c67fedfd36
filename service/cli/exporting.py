"""What is exported through the gateway, into a file that is whole or not there, with progress on stderr."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from service.cli.faults import failed
from service.cli.remote import NONE, remote
from service.cli.words import count_of

STDOUT = Path("-")
ACCEPT = {"csv": "text/csv", "ndjson": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"}


def run_export(
    path: str,
    accept: str,
    filters: Mapping[str, Any],
    output: Path,
    *,
    one: str,
    options: Mapping[str, str] = NONE,
    url: str | None,
    key: str | None,
) -> int:
    """Returns the exit code. `one`: what a row is called. `options`: by what name a person gave a filter."""
    try:
        with remote(url, key) as gateway, gateway.stream(path, accept=accept, options=options, **filters) as answer:
            size = int(answer.headers.get("Content-Length", 0))
            with _opened(output) as file, progress_bar() as bar:
                task = bar.add_task("exporting", total=size)
                for piece in answer.iter_bytes():
                    file.write(piece)
                    bar.update(task, advance=len(piece))
    except BrokenPipeError:
        raise
    except OSError as error:
        return failed(f"{output}: {error.strerror or error}")
    rows, age = (int(answer.headers.get(name, 0)) for name in ("X-Total-Count", "Data-Age"))
    if output != STDOUT and "X-Total-Count" in answer.headers:
        behind = f", as it was at most {count_of(age, 'second')} before" if age else ""
        print(f"{output}: {count_of(rows, one)}{behind}", file=sys.stderr)
    return 0


@contextmanager
def _opened(output: Path) -> Iterator[IO[bytes]]:
    """Beside it until it is whole: what breaks off leaves what was there before."""
    if output == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if output.exists() and not output.is_file():  # A pipe, or a terminal.
        with output.open("wb") as file:
            yield file
        return
    with NamedTemporaryFile(dir=output.parent, prefix=f".{output.name}.", delete=False) as draft:
        try:
            yield draft
            draft.flush()
            os.fsync(draft.fileno())
            os.chmod(draft.name, 0o666 & ~_umask())  # noqa: PTH101 - by the umask, as any file is made
            Path(draft.name).replace(output)
        except BaseException:
            Path(draft.name).unlink(missing_ok=True)
            raise


def _umask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found


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
