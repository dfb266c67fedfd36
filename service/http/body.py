"""Reading a JSON body strictly: what parsers read differently, or not at all, is refused rather than guessed at."""

import json
from typing import Any

from fastapi import Request

from service.http.problems import UnsupportedMediaType
from service.kit.errors import Fault, InvalidRequest
from service.kit.text import shown

DEEPEST = 32
# Members and elements of all levels together: a megabyte of them would be validated, and refused, one by one. Room for
# the largest selection of numbers there may be, and for what stands around it.
MOST_VALUES = 10_100
# Longer integers are read as floating point, as most other parsers do: none is a value of ours.
LONGEST_INTEGER = 18
UTF_8 = ("utf-8", "utf8", "us-ascii", "ascii")


class StrictRequest(Request):
    """A request whose JSON is UTF-8, names nothing twice, holds no NaN and at most 10,100 values, 32 levels deep."""

    async def json(self) -> Any:
        """Raises: UnsupportedMediaType; InvalidRequest; json.JSONDecodeError."""
        if not hasattr(self, "_json"):
            _check_charset(self.headers.get("content-type", ""))
            self._json = read_json(await self.body())
        return self._json


def read_json(body: bytes) -> Any:
    """Raises: InvalidRequest; json.JSONDecodeError."""
    try:
        value = json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_no_constant, parse_int=_integer)
    except UnicodeDecodeError as error:
        raise InvalidRequest(Fault("", f"is not valid UTF-8 from byte {error.start} on")) from None
    except RecursionError:
        raise _too_deep() from None
    _check_size(value)
    return value


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in members:
        if name in found:
            raise InvalidRequest(Fault("", f"names {shown(name)} twice; which is meant?"))
        found[name] = value
    return found


def _no_constant(name: str) -> Any:
    raise InvalidRequest(Fault("", f"is not valid JSON: {name} is no JSON value"))


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= LONGEST_INTEGER else float(digits)


def _check_size(value: Any) -> None:
    level, values = [value], 0
    for _ in range(DEEPEST + 1):
        level = [
            inner for outer in level if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]  # fmt: skip
        if not level:
            return
        values += len(level)
        if values > MOST_VALUES:
            raise InvalidRequest(Fault("", f"holds more than {MOST_VALUES} values"))
    raise _too_deep()


def _too_deep() -> InvalidRequest:
    return InvalidRequest(Fault("", f"is nested deeper than {DEEPEST} levels"))


def _check_charset(content_type: str) -> None:
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in UTF_8:
            raise UnsupportedMediaType("Send the body as application/json in UTF-8.")
