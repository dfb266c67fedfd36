"""One look at one page: who looks, what the API answers them, and the page that comes of it."""

import gzip
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute

from service.console.api import Api, Refused
from service.console.rendering import HEADERS, render, takes_gzip
from service.console.rooms import may, open_to
from service.http.context import request_id_of

# Below it, packing costs more than it saves.
SMALL = 1_000
# Characters that the login leads back to.
LONGEST_WAY_BACK = 512
NOWHERE = {"code": "not_found", "title": "Not found", "detail": "There is no such page in the console."}
NO_ANSWER = {
    "code": "invalid_request", "title": "Invalid request", "detail": "The API answers nothing like what was sent here.",
}  # fmt: skip
TITLES = {403: "This room is not yours", 404: "Nothing is here"}


class Query(dict[str, str | None]):
    """Of a page's address, each parameter once; what is not there is None."""

    def __missing__(self, name: str) -> None:
        return None


class Visit:
    """`me`: who looks, as `GET /v1/me` tells it."""

    def __init__(self, request: Request, api: Api, me: Mapping[str, Any]) -> None:
        self._request, self.api, self.me = request, api, me
        self.query = Query(request.query_params)

    def every(self, name: str) -> list[str]:
        """What a parameter names that may come several times, or with commas."""
        return [one for text in self._request.query_params.getlist(name) for one in text.split(",")]

    def may(self, scope: str) -> bool:
        return may(self.me["scopes"], scope)

    async def names(
        self, *, tenants: Iterable[Any] = (), organizations: Iterable[Any] = (), users: Iterable[Any] = ()
    ) -> dict[str, str]:
        """What is called how, by id, of those whose name the visitor may know; ids with commas have none."""
        kinds = {"tenant_id": tenants, "organization_id": organizations, "user_id": users}
        ids = {kind: sorted({one for one in some if one and "," not in one}) for kind, some in kinds.items()}
        try:
            return await self.api.names(ids)
        except Refused as refused:
            if refused.status in (400, 403):  # An address may name what no id can be.
                return {}
            raise

    def page(self, template: str, *, title: str, status: int = 200, **of: Any) -> Response:
        return plain_page(
            self._request, template, status, title=title, me=self.me, rooms=open_to(self.me["scopes"]), may=self.may,
            query=self.query, asked=self.api.asked[1:], **of,
        )  # fmt: skip


async def visit(request: Request) -> Visit:
    """Raises: Refused, where nobody has logged in too."""
    api = Api(request)
    return Visit(request, api, await api.get("/v1/me"))


VisitDep = Annotated[Visit, Depends(visit)]


class PageRoute(APIRoute):
    """What the API refuses is told as a page; a stranger is led to the login, and back to where they wanted to go."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await answer(request)
            except Refused as refused:
                if refused.status == 401:
                    return _to_login(request)
                return await refusal(request, refused)
            except RequestValidationError as error:
                wrong = Refused(404, NOWHERE) if error.body is None else Refused(400, NO_ANSWER)
                return await refusal(request, wrong)

        return handle


async def refusal(request: Request, refused: Refused) -> Response:
    """A page that says what the API said, in the frame of whoever looks."""
    api = Api(request)
    try:
        me = await api.get("/v1/me")
    except Refused as stranger:
        if stranger.status == 401:
            return _to_login(request)
        me = None
    title = TITLES.get(refused.status, str(refused.problem.get("title", "Something went wrong")))
    scopes = me["scopes"] if me else []
    return plain_page(
        request, "refusal.html", refused.status, title=title, me=me, rooms=open_to(scopes),
        may=lambda scope: may(scopes, scope), query=Query(request.query_params), asked=[], problem=refused.problem,
        request_id=request_id_of(request.scope),
    )  # fmt: skip


def plain_page(request: Request, template: str, status: int, **of: Any) -> Response:
    body = render(template, path=request.url.path, **of).encode()
    headers = dict(HEADERS) | {"Vary": "Accept-Encoding, Cookie"}
    if len(body) > SMALL and takes_gzip(request.scope):
        body = gzip.compress(body, 5)
        headers["Content-Encoding"] = "gzip"
    return HTMLResponse(body, status_code=status, headers=headers)


def _to_login(request: Request) -> Response:
    path = quote(request.url.path)
    wanted = f"{path}?{request.url.query}" if request.url.query else path
    if len(wanted) > LONGEST_WAY_BACK:
        wanted = path if len(path) <= LONGEST_WAY_BACK else "/console"
    return RedirectResponse(f"/console/login?return_to={quote(wanted, safe='')}", status_code=303)
