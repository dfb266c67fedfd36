"""Purchases, one user's listing and one number, in the express lane."""

from uuid import UUID

from fastapi import Response

from service.http.body import read_json
from service.http.context import request_id_of
from service.http.express import Lane, Plain
from service.idempotency.keys import parse_key
from service.kit.errors import InvalidRequest
from service.kit.text import plain
from service.numbers.endpoints import create_number, create_router, list_numbers, number_services, router
from service.numbers.own_endpoints import get_number
from service.numbers.own_endpoints import router as own_router
from service.numbers.schemas import NumberCreate
from service.quotas.turns import enter, take_turn
from service.tenants.auth import holding
from service.tenants.schemas import LONGEST_ID

CREATES, READS = holding("numbers:create"), holding("numbers:read")
LISTED = {"user_id", "organization_id"}


async def create(asked: Plain) -> Response | None:
    if asked.request.scope["query_string"]:
        return None
    key = asked.headers.get(b"idempotency-key")
    try:
        body = NumberCreate.model_validate(read_json(asked.body))
        idempotency_key = parse_key(None if key is None else key.decode("latin-1"))
    except (ValueError, InvalidRequest):  # ValidationError and JSONDecodeError are ValueErrors.
        return None
    entry = await enter(asked.request)
    return await create_number(
        entry,
        asked.request,
        await CREATES(asked.request),
        body,
        await number_services(asked.request),
        patience=None,
        request_id=request_id_of(asked.request.scope),
        unknown=[],
        idempotency_key=idempotency_key,
    )


async def list_of_user(asked: Plain) -> Response | None:
    query = asked.query
    if query is None or query.keys() != LISTED or asked.body:
        return None
    try:
        user, organization = (plain(query[name]) for name in ("user_id", "organization_id"))
    except ValueError:
        return None
    if not (0 < len(user) <= LONGEST_ID and 0 < len(organization) <= LONGEST_ID):
        return None
    await take_turn(asked.request)
    return await list_numbers(
        await READS(asked.request),
        await number_services(asked.request),
        warnings=[],
        user_id=user,
        organization_id=organization,
    )


async def number(asked: Plain) -> Response | None:
    """By our id, as we write it."""
    name = asked.request.scope["path"].rpartition("/")[2]
    try:
        number_id = UUID(name)
    except ValueError:
        return None
    if str(number_id) != name or asked.request.scope["query_string"] or asked.body:
        return None
    await take_turn(asked.request)
    return await get_number(number_id, await READS(asked.request), await number_services(asked.request), known=None)


CREATING, LISTING = Lane(f"{create_router.prefix}/create", create), Lane(router.prefix, list_of_user)
LANES = {("POST", CREATING.path): CREATING, ("GET", LISTING.path): LISTING}
BELOW = {f"{own_router.prefix}/": Lane(f"{own_router.prefix}/{{number_id}}", number)}
