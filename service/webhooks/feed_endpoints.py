"""The feed of events, over REST."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from service.db import UNBOUND
from service.http.accept import JSON, accept_of, preferred
from service.http.openapi import problems
from service.http.pages import NDJSON, Cursor, Limit, Page
from service.http.prefer import Patience
from service.http.routes import OwnRoute
from service.outbox.catalogue import Event
from service.outbox.feed import EventsForgotten, Feed, read_types
from service.tenants.auth import CREDENTIALS, Again, EventsRead, again_holding
from service.tenants.endpoints import AUTH
from service.tenants.principals import NotYourOrganization, NotYourUser, Principal

MOST_WAIT = 60
router = APIRouter(prefix="/v1/events", tags=["events"], dependencies=CREDENTIALS, route_class=OwnRoute)


class EventPage(Page[Event]):
    """Events in the order of commit. `next_cursor` is never null: it goes on from here, also where nothing is new."""


async def feed(request: Request) -> Feed:
    found: Feed = request.app.state.services.feed
    return found


def check_unbound(caller: Principal) -> None:
    """Of the whole tenant, which a key that is limited to some of its organisations or users must not see.

    Raises: NotYourOrganization, NotYourUser.
    """
    if caller.bounds.organizations is not None:
        raise NotYourOrganization
    if caller.bounds != UNBOUND:
        raise NotYourUser


ANSWERS = {
    "description": "A page; `Link` names the next one",
    "headers": {"Link": {"description": 'The next page, `rel="next"`', "schema": {"type": "string"}}},
    "content": {NDJSON: {"schema": {"type": "string", "description": "The items of the page, a JSON object a line"}}},
}
Type = Annotated[
    str | None,
    Query(
        max_length=2000,
        description="Events of these names, or of groups such as `number.*`, separated by commas; without it all",
        examples=["number.acquired,order.*"],
    ),
]


@router.get(
    "",
    response_model=EventPage,
    responses={200: ANSWERS, **problems(NotYourOrganization, NotYourUser, EventsForgotten, *AUTH)},
)
async def list_events(
    request: Request,
    caller: EventsRead,
    feed: Annotated[Feed, Depends(feed)],
    again: Annotated[Again, Depends(again_holding("events:read"))],
    patience: Patience,
    type: Type = None,  # noqa: A002 - as it is called on the wire
    limit: Limit = 100,
    cursor: Cursor = None,
    wait: Annotated[
        int | None, Query(ge=0, le=MOST_WAIT, description="Seconds to wait where nothing is new, as `Prefer: wait`")
    ] = None,
) -> Response:
    """What has changed, in the order of commit: of everything that the tenant has, from the oldest that is kept.

    Ask again with `next_cursor`, for as long as you like: a cursor comes to its end only when events after it are no
    longer kept, which is a 410. With another `type` it goes on just as well.
    """
    check_unbound(caller)
    waiting = min(patience or 0.0, float(MOST_WAIT)) if wait is None else float(wait)
    page = await feed.page(caller.tenant, read_types(type), limit=limit, cursor=cursor, wait=waiting, again=again)
    onward = request.url.include_query_params(cursor=page.next_cursor)
    headers = {"Link": f'<{onward.path}?{onward.query}>; rel="next"'}
    if preferred(accept_of(request.scope), (JSON, NDJSON)) == NDJSON:
        lines = b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in page.items)
        return Response(lines, headers=headers, media_type=NDJSON)
    told = {"items": page.items, "next_cursor": page.next_cursor, "total": page.total}
    return Response(orjson.dumps(told), headers=headers, media_type="application/json")
