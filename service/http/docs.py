"""`/docs`: the OpenAPI document for people, by Swagger UI; everything it loads comes from here."""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

# Swagger UI draws its arrows from data: URLs.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
OURS = Path(__file__).parent
router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def page() -> FileResponse:
    return FileResponse(OURS / "docs.html", headers={"Content-Security-Policy": POLICY})


@router.get("/docs/docs.js")
async def begins() -> FileResponse:
    return FileResponse(OURS / "docs.js")


@router.get("/docs/swagger-ui.css")
async def style() -> FileResponse:
    return _of_swagger("swagger-ui.css")


@router.get("/docs/swagger-ui-bundle.js")
async def script() -> FileResponse:
    return _of_swagger("swagger-ui-bundle.js")


def _of_swagger(name: str) -> FileResponse:
    found = Path(str(files("fastapi_standalone_docs"))) / "static" / "swagger" / name
    return FileResponse(found, headers={"Cache-Control": "public, max-age=86400"})
