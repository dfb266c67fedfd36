"""In which area codes the numbers of an order are asked for, one after the other. Pure."""

from collections.abc import Collection, Sequence
from typing import Literal

from service.kit.phone import check_area_code, neighbours
from service.tenants.policy import Policy

Fallback = Literal["overlays", "neighbours"]


def choices(wanted: Sequence[str], fallback: Collection[Fallback], policy: Policy) -> list[str]:
    """Those that were named, in order; then, as declared, the overlays of each, and last what is near: of that overlays
    are the nearest. What the policy does not allow falls out.
    """
    overlays = [code for one in wanted for code in check_area_code(one).overlays] if fallback else []
    near = [code for one in wanted for code in neighbours(one)] if "neighbours" in fallback else []
    return [code for code in dict.fromkeys((*wanted, *overlays, *near)) if policy.allows_area_code(code)]


def choose(among: Sequence[str], *, without: Collection[str]) -> str | None:
    """The first that is not known to have none; None where there is none left."""
    return next((code for code in among if code not in without), None)
