"""The console's own scripts and styles, and the few that others wrote, each from its package (`static/vendor`)."""

import gzip
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request, Response

from service.console.rendering import HERE, takes_gzip
from service.console.rendering import version as present
from service.kit.errors import NotFound

KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
# The version is in the path: what is there never changes.
FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
router = APIRouter(prefix="/console/static", include_in_schema=False)


@router.get("/{version}/{name:path}")
async def static_file(request: Request, version: str, name: str) -> Response:
    """Any version gives what is there now, and the present one alone for good: while processes are being replaced, a
    page of one may ask another.
    """
    found = _files().get(name)
    if found is None:
        raise NotFound("There is no such file.")
    plain, packed = found
    headers = dict(FOR_GOOD) if version == present() else {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    if takes_gzip(request.scope):
        headers["Content-Encoding"] = "gzip"
    return Response(packed if takes_gzip(request.scope) else plain, media_type=KINDS[Path(name).suffix],
                    headers=headers)  # fmt: skip


@cache
def _files() -> dict[str, tuple[bytes, bytes]]:
    root = HERE / "static"
    found = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.suffix in KINDS}
    return {name: (plain, gzip.compress(plain, 9)) for name, plain in found.items()}
