"""How every path of the API reads a request: who asks comes first, then all that is wrong with it at once.

FastAPI gathers the faults of body, path, query and headers by itself, and knows nothing of parameters that nobody
asked for or that came twice. Those are added here, on Teli's paths and on our own each by its own rule.
"""

import copy
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from typing import Any, ClassVar

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.routing import Match
from starlette.types import Scope

from service.http.body import StrictRequest
from service.http.paths import Closer
from service.http.problems import faults_of
from service.kit.errors import Fault, InvalidRequest
from service.kit.text import shown

# Two of these would contradict one another, and a proxy before us may have read the other one.
# Credentials are looked at where they are read.
ONCE = ("idempotency-key", "prefer")


class TeliRoute(APIRoute):
    """A client written for Teli may send what we do not know: it is ignored, and named in `warnings`."""

    refuses_unknown: ClassVar[bool] = False
    # Whether anybody may ask: then what is wrong with a request is told without asking who they are.
    public: ClassVar[bool] = False

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Nothing that is another path more closely."""
        match, found = super().matches(scope)
        if match == Match.NONE:
            return match, found
        closer: Closer = scope["app"].state.closer_paths
        if any(path.match(scope["path"]) for path in closer[self.path]):
            return Match.NONE, {}
        return match, found

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()
        refuse = APIRoute.get_route_handler(_without_endpoint(self))
        known = _query_of(self.dependant)

        async def handle(request: Request) -> Response:
            request = StrictRequest(request.scope, request.receive)
            unknown = [name for name in dict.fromkeys(request.query_params) if name not in known]
            request.state.unknown_query = unknown
            faults = [*_given_twice(request, known)]
            if self.refuses_unknown:
                there_are = f"there are {', '.join(sorted(known))}" if known else "there are none"
                faults += [Fault(shown(name), f"is not a parameter of this path, {there_are}") for name in unknown]
            if not faults:
                return await answer(request)
            try:
                return await refuse(request)
            except RequestValidationError as error:
                raise InvalidRequest(*faults, *faults_of(list(error.errors()))) from None

        return handle


class OwnRoute(TeliRoute):
    """A filter that would not be obeyed is refused, never ignored."""

    refuses_unknown = True


class PublicRoute(TeliRoute):
    """For those who are not known yet; identity providers add parameters of their own."""

    public = True


def _without_endpoint(route: APIRoute) -> APIRoute:
    """The same route as far as its signature goes: permissions and parameters are checked, and nothing is done."""

    async def nothing_more(**_: Any) -> None:
        raise RequestValidationError([])

    bare = copy.copy(route)
    bare.dependant = replace(route.dependant, call=nothing_more)
    return bare


def _query_of(dependant: Dependant) -> set[str]:
    names = {name for field in dependant.query_params for name in _names_of(field.alias, field.field_info.annotation)}
    return names.union(*(_query_of(inner) for inner in dependant.dependencies))


def _names_of(alias: str, kind: object) -> Iterable[str]:
    """Of a parameter, or of every one that a model takes together."""
    return kind.model_fields if isinstance(kind, type) and issubclass(kind, BaseModel) else (alias,)


def _given_twice(request: Request, known: set[str]) -> list[Fault]:
    given = [name for name, _ in request.query_params.multi_items()]
    names = [name for name in dict.fromkeys(given) if name in known and given.count(name) > 1]
    names += [name for name in ONCE if len(request.headers.getlist(name)) > 1]
    return [Fault(name, "is given twice; which is meant?") for name in names]
