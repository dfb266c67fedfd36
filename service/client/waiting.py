"""What an operation says of the request that it stands for, and how often it is looked at. Pure."""

from service.client.errors import StillPending, refused
from service.client.models import Operation

SHORTEST, LONGEST = 0.5, 15.0


def is_over(operation: Operation) -> bool:
    return operation.state in ("succeeded", "failed")


def succeeded(operation: Operation, idempotency_key: str | None = None) -> Operation:
    """The operation itself. Raises: StillPending, where it is not over; where it failed, its problem."""
    if not is_over(operation):
        raise StillPending(operation.id, operation=operation, idempotency_key=idempotency_key)
    if operation.state == "failed":
        problem = operation.problem or {}
        status = problem.get("status")
        raise refused(status if isinstance(status, int) else 500, problem)
    return operation


def pause_before_look(looks: int) -> float:
    """Seconds, after so many looks: the gateway holds its answer only while something is pending."""
    return min(LONGEST, SHORTEST * 1.5 ** min(looks, 20))
