"""What a caller is told of a purchase: Teli's body for a sale, a problem for a refusal."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson

from service.idempotency.answers import Answer
from service.kit.errors import ServiceError
from service.kit.phone import neighbours
from service.numbers.errors import NoNumbersAvailable, UpstreamRefused, UpstreamUnavailable
from service.teli.reading import Refused, Sold

# Seconds for which admission answers a refused key with that refusal.
REPEATED_FOR = 60


def sale(sold: Sold, *, number_id: UUID, operation_id: UUID, warnings: Sequence[str] = ()) -> Answer:
    """Teli's answer to a create, and beside it our ids; `warnings` name what was not understood."""
    body: dict[str, Any] = {
        "success": True,
        "phone_number": sold.phone_number,
        "phone_number_pretty": sold.pretty,
        "area_code": sold.area_code,
        "phone_number_type": sold.number_type or "teli-voice",
        "powered_by": "Teli",
        "id": str(number_id),
        "state": "active",
        "operation_id": str(operation_id),
    }
    if warnings:
        body["warnings"] = list(warnings)
    return Answer(200, {"content-type": "application/json"}, orjson.dumps(body).decode())


def refusal(refused: Refused, area_code: str, *, keyed: bool) -> ServiceError:
    """What the caller is told of a refusal: never more certain, and never a 5xx where a retry cannot help.

    Under a key the same answer is repeated for a minute, so a retry is asked for only after that.
    """
    match refused.reason:
        case "out_of_stock":
            return NoNumbersAvailable(
                area_code, error=refused.error, message=refused.message, suggestions=list(neighbours(area_code))
            )
        case "bad_request":
            return UpstreamRefused(refused.message or refused.error)
        case _:
            return UpstreamUnavailable(after=REPEATED_FOR if keyed else 5)
