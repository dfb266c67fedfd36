"""What is refused on the way in, or before a page could be made: told to a browser as a page, with the way out."""

from fastapi import Request, Response

from service.console.visit import Query, plain_page
from service.http.accept import accept_of, preferred
from service.http.context import request_id_of
from service.kit.errors import ServiceError

# Whoever does not ask for a page, as a script, gets the problem.
OFFERS = ("application/problem+json", "application/json", "text/html")


def told_as_page(request: Request, error: ServiceError) -> Response | None:
    """None for whoever is not at the console, or did not ask for a page."""
    if not request.url.path.startswith("/console") or preferred(accept_of(request.scope), OFFERS) != OFFERS[-1]:
        return None
    answer = plain_page(
        request, "door.html", error.status, title=error.title, me=None, rooms=[], may=lambda _: False,
        query=Query(request.query_params), asked=[], code=error.code, detail=error.detail,
        request_id=request_id_of(request.scope),
    )  # fmt: skip
    answer.headers.update(error.headers)
    return answer
