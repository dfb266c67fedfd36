"""The headers `RateLimit` and `RateLimit-Policy`: lists of limits by name.

Source: IETF draft-ietf-httpapi-ratelimit-headers, in the form of structured fields.
"""

from collections.abc import Iterable, Mapping
from math import ceil

from starlette.types import Scope

# The largest integer that a structured field can hold (RFC 9651).
LARGEST = 999_999_999_999_999
DESCRIBED = {
    "RateLimit-Policy": 'The limits that were looked at: `"requests"`, the rate of the tenant, and on a create the '
    "quota with the fewest purchases left; `q` is how much, `w` the seconds in which all of it comes back",
    "RateLimit": "Of the same limits `r`, what is left, and `t`, the seconds until all of it is back",
}
Pairs = list[tuple[bytes, bytes]]


def limit_headers(
    name: str, *, quota: int, left: int, seconds: float | None, window: float | None = None
) -> dict[str, str]:
    """One limit: `left` of `quota` now, all of it in `seconds`, as always in a `window`; None where no time tells."""
    return {
        "RateLimit-Policy": _item(name, q=quota, w=window),
        "RateLimit": _item(name, r=left, t=seconds),
    }


def _item(name: str, **parameters: float | None) -> str:
    given = {key: min(max(ceil(value), 0), LARGEST) for key, value in parameters.items() if value is not None}
    return f'"{name}"' + "".join(f";{key}={value}" for key, value in given.items())


def tell(scope: Scope, headers: Mapping[str, str]) -> None:
    """Put these first in the lists of the request's answer, whatever it will be."""
    scope.setdefault("state", {})["limits"] = {name.lower().encode(): text.encode() for name, text in headers.items()}


def with_limits(scope: Scope, headers: Iterable[tuple[bytes, bytes]]) -> Pairs:
    """An answer's headers with what was told beside."""
    told = dict(scope.get("state", {}).get("limits", {}))
    joined = [(name, told.pop(name) + b", " + value if name in told else value) for name, value in headers]
    return [*joined, *told.items()]
