"""What a page asks of the API, in this process."""

import asyncio

import orjson
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from service.console.api import AT_ONCE, Api


async def test_of_what_a_page_asks_at_once_a_few_are_under_way_at_a_time():
    under_way, most = 0, 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": orjson.dumps({"path": scope["path"]})})

    scope: Scope = {
        "type": "http", "asgi": {}, "scheme": "http", "headers": [], "client": None, "server": None, "app": app,
        "state": {"request_id": "r"},
    }  # fmt: skip
    api = Api(Request(scope))

    found = await asyncio.gather(*(api.get(f"/{place}") for place in range(3 * AT_ONCE)))

    assert [one["path"] for one in found] == [f"/{place}" for place in range(3 * AT_ONCE)]
    assert most == AT_ONCE
