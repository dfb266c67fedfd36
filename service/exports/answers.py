"""An export as it is answered, whatever is in it: in the format that `Accept` says, to whoever stays to read it."""

import asyncio
import csv
from collections.abc import Coroutine, Mapping
from io import StringIO
from math import ceil
from typing import Any, TypeVar

import orjson
from fastapi import Request, Response
from starlette.types import Message, Receive, Scope, Send

from service.exports.exports import Export
from service.exports.formats import CSV, FORMATS, NDJSON, PARQUET, Format
from service.http.accept import JSON, accept_of, preferred
from service.http.edge import CallerLeft
from service.kit.errors import Fault, InvalidRequest

Made = TypeVar("Made")
MEDIA_TYPES = tuple(FORMATS)
# Whoever reads more slowly than this, in bytes a second and on the whole, holds a place for too long.
SLOWEST = 256 << 10
PATIENCE = 60.0


def wanted(request: Request, **paging: object) -> Format | None:
    """The format that is to be exported; None where it is JSON that is asked for, page by page.

    `paging`: the parameters of a page that were given, or None. Raises: InvalidRequest where they do not go together.
    """
    kind = preferred(accept_of(request.scope), (JSON, *MEDIA_TYPES))
    if kind is None or (found := FORMATS.get(kind)) is None:
        return None
    paged = [name for name, value in paging.items() if value is not None]
    if paged:
        told = f"does not go with {found.accepted_as}, which is everything; remove it, or accept {JSON}"
        raise InvalidRequest(*(Fault(name, told) for name in paged))
    return found


async def while_there(receive: Receive, work: Coroutine[Any, Any, Made]) -> Made:
    """What `work` makes; it is cancelled when the caller leaves. Raises: CallerLeft."""
    doing, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_leaving(receive))
    try:
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise CallerLeft
        return doing.result()
    finally:
        for task in (doing, leaving):
            task.cancel()
        await asyncio.wait({doing, leaving})


async def _leaving(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


class ExportAnswer(Response):
    """Sends an export, and closes it, however that ends."""

    def __init__(self, export: Export) -> None:
        self._export = export
        name = f"{export.name}-{export.made_at:%Y%m%dT%H%M%SZ}.{export.format.name}"
        super().__init__(
            None,
            headers={
                "Content-Length": str(export.spool.size),
                "Content-Type": export.format.media_type,
                "Content-Disposition": f'attachment; filename="{name}"',
                "X-Total-Count": str(export.rows),
                "Data-Age": str(ceil(export.age)),
            },
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises: CallerLeft, also for one who does not read on."""
        try:
            async with asyncio.timeout(PATIENCE + self._export.spool.size / SLOWEST):
                await while_there(receive, self._send(send))
        except TimeoutError:
            raise CallerLeft from None
        finally:
            self._export.close()

    async def _send(self, send: Send) -> None:
        start: Message = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await send(start)
        async for piece in self._export.spool.pieces():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def streamed(item: Mapping[str, Any]) -> dict[str, Any]:
    """The 200 of an operation that exports too, beside its JSON. `item`: an example of what is listed."""
    text = {"schema": {"type": "string"}}
    rows = StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(item)
    writer.writerow(orjson.dumps(cell).decode() if isinstance(cell, list) else cell for cell in item.values())
    return {
        "description": "A page; or, where `Accept` asks for it, everything",
        "headers": {
            "X-Total-Count": {"description": "Of an export: how many rows it has", "schema": {"type": "integer"}},
            "Data-Age": {
                "description": "Of an export: how many seconds it is behind, at most; 0 where it is not",
                "schema": {"type": "integer"},
            },
            "Content-Disposition": {"description": "Of an export: what to call the file", "schema": {"type": "string"}},
        },
        "content": {
            CSV.accepted_as: {**text, "example": rows.getvalue()},
            NDJSON.accepted_as: {**text, "example": orjson.dumps(item).decode() + "\n"},
            PARQUET.accepted_as: {"schema": {"type": "string", "format": "binary"}},
        },
    }
