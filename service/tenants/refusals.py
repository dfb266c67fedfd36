"""Which refusals go into the audit log: those of administrative requests, by somebody who is known."""

from fastapi import Request

from service.audit.refusals import Refusal, Refusals
from service.http.context import request_id_of
from service.kit.errors import ServiceError
from service.kit.text import shown
from service.tenants.principals import Principal

ADMINISTRATIVE = "/v1/admin/"
# Not allowed, and not as things stand. Neither says anything of the body, which may hold secrets.
FORBIDDEN, CONFLICTS = 403, (409, 412)
LONGEST_PATH = 300


async def note_refusal(request: Request, problem: ServiceError) -> None:
    """Every 403, and every change that is a conflict. Raises nothing."""
    # Whom we know is more than who was let in: a key from outside its networks, a session from another site.
    caller: Principal | None = getattr(request.state, "principal", None) or getattr(request.state, "known", None)
    route: str = getattr(request.scope.get("route"), "path", "")
    if caller is None or not route.startswith(ADMINISTRATIVE):
        return
    if problem.status != FORBIDDEN and (problem.status not in CONFLICTS or request.method == "GET"):
        return
    refusals: Refusals = request.app.state.services.refusals
    await refusals.refused(
        Refusal(
            actor=caller.actor,
            tenant_id=caller.tenant_id,
            route=f"{request.method} {route}",
            path=shown(request.url.path, LONGEST_PATH),
            status=problem.status,
            code=problem.code,
            request_id=request_id_of(request.scope),
        )
    )
