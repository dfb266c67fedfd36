"""Held to its tenant's policy: what a purchase and a change may name. Pure; nothing was sent when it refuses."""

from collections.abc import Mapping

from service.kit.errors import Fault, InvalidRequest, ServiceError
from service.kit.phone import neighbours
from service.numbers.errors import InvalidAreaCode
from service.numbers.members import AGENTS
from service.tenants.policy import Policy

MOST_SUGGESTIONS = 8


def refusal_of(policy: Policy, code: str, given: Mapping[str, object]) -> ServiceError | None:
    """Why a purchase in this area code, with these members, is against the policy: every fault; None if it is not."""
    agents = foreign_agents(policy, given)
    if policy.allows_area_code(code):
        return InvalidRequest(*agents) if agents else None
    suggestions = _allowed_instead(policy, code)
    mend = f"ask for {' or '.join(suggestions)}" if suggestions else "it allows none"
    fault = Fault("/area_code", f"{code} is not among the area codes that your tenant's policy allows; {mend}")
    return InvalidAreaCode(
        fault.detail,
        errors=[one.as_json() for one in (fault, *agents)],
        reason="policy",
        suggestions=suggestions,
    )


def foreign_agents(policy: Policy, given: Mapping[str, object]) -> list[Fault]:
    """A fault for each agent of a body that the policy does not allow. To link none is always allowed."""
    return [
        Fault(f"/{name}", "is not among the agents that your tenant's policy allows; an administrator can add it")
        for name in AGENTS
        if isinstance(agent := given.get(name), str) and not policy.allows_agent(agent)
    ]


def _allowed_instead(policy: Policy, code: str) -> list[str]:
    """Allowed area codes, the nearest first."""
    allowed = policy.area_codes_allowed or frozenset()
    near = [one for one in neighbours(code) if one in allowed]
    return [*near, *sorted(allowed.difference(near))][:MOST_SUGGESTIONS]
