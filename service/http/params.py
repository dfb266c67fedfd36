"""What endpoints ask of a request beside their parameters: its id, and which parameters nobody knows."""

from typing import Annotated

from fastapi import Depends, Request

from service.http.context import request_id_of
from service.kit.text import shown

MOST_WARNINGS = 20


async def unknown_query(request: Request) -> list[str]:
    """Warnings that name what was ignored (`service.http.routes` has found it), twenty at most."""
    unknown: list[str] = request.state.unknown_query
    return [f"{shown(name)}: not a parameter of this path, ignored" for name in unknown[:MOST_WARNINGS]]


Warnings = Annotated[list[str], Depends(unknown_query)]


async def request_id(request: Request) -> str:
    return request_id_of(request.scope)


RequestId = Annotated[str, Depends(request_id)]
