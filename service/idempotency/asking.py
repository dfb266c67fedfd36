"""The header `Idempotency-Key` in an endpoint's signature."""

from collections.abc import MutableMapping
from contextlib import suppress
from typing import Annotated, cast

from fastapi import Depends, Header, Request, Response
from pydantic import AfterValidator

from service.idempotency.keys import fingerprint, parse_key
from service.idempotency.once import Once
from service.kit.errors import ServiceError

IdempotencyKey = Annotated[
    str | None,
    AfterValidator(parse_key),
    Header(
        alias="Idempotency-Key", description="The same on every retry of one request; 1 to 255 printable characters"
    ),
]


async def keyed(request: Request, response: Response, idempotency_key: IdempotencyKey = None) -> Once:
    """A request with a JSON body; whose key it is, `by` says."""
    body = None
    if idempotency_key is not None:
        with suppress(ValueError, ServiceError):  # What is no JSON is refused by whoever reads it.
            body = await request.json()
    headers = cast(MutableMapping[str, str], response.headers)
    return Once("", f"{request.method} {request.url.path}", idempotency_key, fingerprint(body), headers)


Keyed = Annotated[Once, Depends(keyed)]
