"""No request waits for a thread: what is asked for and what answers runs where the loop runs."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from service.app import create_app
from service.http.paths import routes_of


def functions(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    if dependant.call is not None:
        yield dependant.call
    for inner in dependant.dependencies:
        yield from functions(inner)


def runs_in_a_thread(function: Callable[..., Any]) -> bool:
    """FastAPI gives a thread to each that is not a coroutine, but for classes, which are only made."""
    if inspect.isclass(function):
        return False
    called = function if inspect.isroutine(function) else type(function).__call__
    return not (inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called))


def test_dependencies_and_endpoints_are_coroutines():
    every = routes_of(create_app(lambda: nullcontext(None)).app)
    routes = [route for route in every if isinstance(route, APIRoute)]

    threaded = {
        getattr(one, "__qualname__", repr(one))
        for route in routes
        for one in functions(route.dependant)
        if runs_in_a_thread(one)
    }

    assert len(routes) > 100
    assert not threaded
