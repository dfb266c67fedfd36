"""What an endpoint on one of Teli's paths says of query parameters that it does not know."""

from typing import Annotated

from fastapi import Depends, Request

from service.kit.text import shown

MOST_WARNINGS = 20


def unknown_query(request: Request) -> list[str]:
    """Warnings that name what was ignored (`service.http.routes` has found it), twenty at most."""
    unknown: list[str] = request.state.unknown_query
    return [f"{shown(name)}: not a parameter of this path, ignored" for name in unknown[:MOST_WARNINGS]]


Warnings = Annotated[list[str], Depends(unknown_query)]
