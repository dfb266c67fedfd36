"""Why a saved filter is not applied."""

from collections.abc import Sequence
from uuid import UUID

from service.kit.errors import Fault, ServiceError


class FilterOutdated(ServiceError):
    """It was saved when the listing knew what it asks for, and does so no more; nothing was listed."""

    status, code, title = 409, "filter_outdated", "Filter outdated"

    def __init__(self, filter_id: UUID, faults: Sequence[Fault]) -> None:
        told = "; ".join(f"{fault.pointer}: {fault.detail}" for fault in faults[:3])
        super().__init__(
            f"This saved filter asks for what there is no more: {told}. Change it, or name these parameters yourself.",
            filter_id=str(filter_id),
            errors=[fault.as_json() for fault in faults],
        )
