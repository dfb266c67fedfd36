"""Exports: to a file that is there as a whole or not at all, or to a DataFrame."""

import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from service.client.answers import read
from service.client.models import NumberItem

MEDIA_TYPES: Mapping[str, str] = {
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "html": "text/html",
}
# Nothing is sent before the whole of it is made.
EXPORT_PATIENCE = 900.0


def media_type(form: str, *forms: str) -> str:
    """Raises: ValueError, naming those that there are."""
    if form not in forms:
        raise ValueError(f"format must be one of {', '.join(forms)}")
    return MEDIA_TYPES[form]


@contextmanager
def whole_file(target: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Written beside `target`, and put in its place once it is whole and on the disk; else `target` stays as it was."""
    place = Path(target)
    # Readable for its owner alone until then, as temporary files are; after that as files of this process are.
    descriptor, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    written = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        written.chmod(0o666 & ~_umask())
        written.replace(place)
    except BaseException:
        written.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def frames_of(library: str) -> str:
    """Its name, before anything is asked for. Raises: ValueError; ImportError, naming the mend."""
    if library not in ("pandas", "polars"):
        raise ValueError("library must be pandas or polars")
    _imported(library)
    return library


def _imported(library: str) -> Any:
    try:
        return import_module(library)
    except ImportError:
        raise ImportError(
            f"a DataFrame needs {library}, which is no part of this package: pip install {library}"
        ) from None


def frame(lines: Iterable[str]) -> Any:
    """A pandas.DataFrame of an export's lines: a column a member, in their order, also where there are no lines.

    Values are what the models have; nothing is guessed of a text that looks like a number.
    """
    names = [one.name for one in fields(NumberItem) if one.name != "extra"]
    items = [read(NumberItem, json.loads(line)) for line in lines if line]
    return _imported("pandas").DataFrame([[getattr(one, name) for name in names] for one in items], columns=names)


def polars_frame(parquet: bytes) -> Any:
    """A polars.DataFrame of an export, with the types that its columns have there."""
    return _imported("polars").read_parquet(io.BytesIO(parquet))
