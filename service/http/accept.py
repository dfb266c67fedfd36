"""`Accept` (RFC 9110, section 12.5.1): of the media types that a path answers in, the one a caller prefers."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from starlette.types import Scope

JSON = "application/json"
WEIGHT = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class Range:
    """One element of the header. `weight`: 0 to 1, where 0 means: not this."""

    kind: str
    parameters: frozenset[str]
    weight: float

    def exactness(self, offer: str) -> int | None:
        """How exactly it names an offer, the larger the more; None where it does not.

        Every JSON is taken for ours: what is asked for as another is had without its name too.
        """
        kind, *parameters = offer.replace(" ", "").split(";")
        if kind != JSON and not self.parameters <= {*parameters, "charset=utf-8"}:
            return None
        if self.kind == kind:
            return 3 + len(self.parameters)
        if kind == JSON and self.kind.endswith("+json"):
            return 2
        if self.kind == f"{kind.partition('/')[0]}/*":
            return 1
        return 0 if self.kind == "*/*" else None


def preferred(accept: str, offers: Sequence[str]) -> str | None:
    """One of the offers, the first where the header is empty; None where it takes none of them.

    By weight; of equal ones what is named most exactly, for whoever names one and `*/*` means the one; then the first
    of the offers. An offer has the weight of whatever names it most exactly.
    """
    ranges = list(_ranges(accept))
    if not accept.strip():
        return offers[0]
    best: tuple[float, int, int, str] | None = None
    for place, offer in enumerate(offers):
        naming = [(exactness, one.weight) for one in ranges if (exactness := one.exactness(offer)) is not None]
        if not naming:
            continue
        exactness, weight = max(naming)
        if weight > 0:
            best = max(best or (0.0, 0, 0, ""), (weight, exactness, -place, offer))
    return best and best[3]


def accept_of(scope: Scope) -> str:
    """The header, several joined; empty where there is none."""
    return ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"accept")


def _ranges(accept: str) -> Iterator[Range]:
    for element in accept.lower().split(","):
        kind, *parameters = (piece.strip() for piece in element.split(";"))
        if not kind:
            continue
        named = {
            name.strip(): value.strip().strip('"') for name, _, value in (one.partition("=") for one in parameters)
        }
        weight = named.pop("q", "1")
        read = float(weight) if WEIGHT.fullmatch(weight) else 1.0
        yield Range(kind, frozenset(f"{name}={value}" for name, value in named.items() if name), read)
