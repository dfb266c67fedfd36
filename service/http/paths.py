"""Which path a request is of, where it reads as several: a word wins over a parameter, whatever the method.

So a wrong method of `/v1/numbers/bulk` is told as that, and not taken for a number whose id is `bulk`.
"""

from collections.abc import Iterable, Iterator, Mapping
from re import Pattern

from fastapi import FastAPI
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

Closer = Mapping[str, tuple[Pattern[str], ...]]


def closer_paths(app: FastAPI) -> Closer:
    """By each path, those that have words where it has parameters, and are otherwise the same."""
    routes = list(routes_of(app))
    return {
        path: tuple({one.path_regex for one in routes if _is_closer(one.path, path)})
        for path in {route.path for route in routes}
    }


def methods_of(app: FastAPI, scope: Scope) -> list[str]:
    """Every method of the path of a request, over all routes of it: Starlette names those of the first one only."""
    routes = list(routes_of(app))
    path = next(route.path for route in routes if route.matches(scope)[0] != Match.NONE)
    return sorted({method for route in routes if route.path == path for method in route.methods or ()})


def routes_of(app: FastAPI) -> Iterator[Route]:
    return (route for route in _flat(app.routes) if isinstance(route, Route))


def _flat(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    for route in routes:
        included = getattr(route, "original_router", None)
        yield from _flat(included.routes) if included else (route,)


def _is_closer(path: str, than: str) -> bool:
    ours, theirs = path.split("/"), than.split("/")
    return (
        path != than
        and len(ours) == len(theirs)
        and all(a == b or (b.startswith("{") and not a.startswith("{")) for a, b in zip(ours, theirs, strict=True))
    )
