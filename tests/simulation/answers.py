"""Answers of the simulated upstream, as bytes: those that mean something, and those that prove nothing."""

from datetime import UTC, datetime
from random import Random
from typing import Any, Final, NamedTuple

import orjson

NOT_SOLD: Final = "Failed to provision phone number"
HTML: Final = b"<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"


class Answer(NamedTuple):
    """One whole HTTP answer; names of headers in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes


def answer(status: int, members: dict[str, Any] | list[Any], **headers: str) -> Answer:
    return Answer(status, {"content-type": "application/json", **headers}, orjson.dumps(members))


def ok(**members: Any) -> Answer:
    return answer(200, {"success": True, **members, "powered_by": "Teli"})


def error(status: int, text: str, **members: Any) -> Answer:
    return answer(status, {"error": text, **members, "success": False, "powered_by": "Teli"})


def raw(status: int, body: bytes, content_type: str = "application/json") -> Answer:
    return Answer(status, {"content-type": content_type}, body)


def sale(number: str) -> Answer:
    return ok(
        phone_number=number,
        phone_number_pretty=pretty(number),
        area_code=number[2:5],
        phone_number_type="teli-voice-twilio",
    )


def pretty(number: str) -> str:
    return f"+1 {number[2:5]}-{number[5:8]}-{number[8:]}"


def utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def zulu(at: float) -> str:
    return utc(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def out_of_stock(area_code: str) -> Answer:
    return error(500, NOT_SOLD, message=f"No numbers available in area code {area_code}")


def refusal(chance: Random, area_code: str) -> Answer:
    """Proof that nothing was bought."""
    return chance.choice(
        (
            error(400, "area_code and user_id required"),
            error(400, "Invalid request"),
            answer(401, {"error": "API key is required", "success": False}),
            answer(401, {"error": "Invalid API key", "powered_by": "Teli"}),
            answer(403, {"success": False, "error": "Not allowed", "detail": "tenant"}),
            answer(422, {"detail": [{"loc": ["body", "area_code"], "msg": "invalid", "type": "value_error"}]}),
            error(429, "Too many requests"),
            answer(429, {"error": "Too many requests"}, **{"retry-after": "5"}),
            out_of_stock(area_code),
            out_of_stock(area_code),
        )
    )


def refusal_all_the_same(chance: Random) -> Answer:
    """Statuses that Teli does not document: read as refusals, and watched."""
    return chance.choice(
        (
            answer(422, {"detail": [{"loc": ["body", "area_code"], "msg": "invalid", "type": "value_error"}]}),
            error(429, "Too many requests"),
        )
    )


def proves_nothing(chance: Random) -> Answer:
    """What is said whether or not a number was bought."""
    return chance.choice(
        (
            error(500, NOT_SOLD, message="Upstream provider error"),
            error(500, NOT_SOLD, message="No numbers available in area code 000"),
            error(500, NOT_SOLD),
            error(500, NOT_SOLD, message=None),
            error(500, "Failed to store phone number"),
            answer(422, {"detail": "unprocessable"}),
            raw(500, b""),
            raw(500, b'{"error":"Failed to prov'),
            raw(502, HTML, "text/html"),
            raw(503, HTML, "text/html"),
            raw(504, b"upstream request timeout", "text/plain"),
            answer(200, {"success": False, "error": NOT_SOLD, "powered_by": "Teli"}),
            answer(200, {"success": False, "phone_number": None, "powered_by": "Teli"}),
        )
    )


def sale_unheard(chance: Random, sale: Answer) -> Answer:
    """What is said of a sale so that nobody can read of it."""
    if chance.random() < 0.5:
        return proves_nothing(chance)
    return chance.choice(
        (
            ok(),
            ok(phone_number=None),
            ok(phone_number=""),
            answer(202, {"success": True, "status": "processing", "powered_by": "Teli"}),
            raw(204, b""),
            raw(200, b""),
            raw(200, HTML, "text/html"),
            raw(200, sale.body[: chance.randrange(1, len(sale.body))]),
            answer(200, [orjson.loads(sale.body)]),
        )
    )


def no_listing(chance: Random, member: str) -> Answer:
    """A listing that fails; one of these looks like a whole one without rows."""
    return chance.choice(
        (
            error(500, f"Failed to list {member.replace('_', ' ')}"),
            ok(count=0, **{member: []}),
            raw(200, b""),
            raw(200, b'{"success":true,"count":3,"'),
            raw(502, HTML, "text/html"),
            answer(200, {"success": False, "count": 0, member: []}),
            ok(count=0, **{member: None}),
        )
    )
