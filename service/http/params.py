"""Queries: parameters nobody asked for are named, and on our own paths refused."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant

from service.kit.errors import Fault, InvalidRequest


def known_query(dependant: Dependant) -> set[str]:
    names = {field.alias for field in dependant.query_params}
    for inner in dependant.dependencies:
        names |= known_query(inner)
    return names


def unknown_query(request: Request) -> list[str]:
    """Names in the query that the route does not know, in their order, each once."""
    known = known_query(request.scope["route"].dependant)
    return [name for name in dict.fromkeys(request.query_params) if name not in known]


def refuse_unknown_query(request: Request) -> None:
    """For our own paths: a filter that would not be obeyed is refused, never ignored.

    Raises: InvalidRequest, also for a parameter given twice.
    """
    faults = [Fault(_shown(name), "is not a parameter of this path; remove it") for name in unknown_query(request)]
    given = [name for name, _ in request.query_params.multi_items()]
    faults += [Fault(_shown(name), "is given twice") for name in dict.fromkeys(given) if given.count(name) > 1]
    if faults:
        raise InvalidRequest(*faults)


def shown_unknown(request: Request) -> list[str]:
    """For Teli's paths: warnings that name what was ignored."""
    return [f"{_shown(name)}: not a parameter of this path, ignored" for name in unknown_query(request)]


def _shown(name: str) -> str:
    return name[:64].encode(errors="replace").decode()


StrictQuery = Depends(refuse_unknown_query)
Warnings = Annotated[list[str], Depends(shown_unknown)]
