"""What callers are told of Teli itself."""

from service.kit.errors import ServiceError


class UpstreamUnavailable(ServiceError):
    """Teli cannot be used just now; nothing was bought."""

    status, code, title = 503, "upstream_unavailable", "Upstream unavailable"

    def __init__(self, detail: str = "Teli cannot be used just now; nothing was bought.", *, after: int = 5) -> None:
        super().__init__(detail, headers={"Retry-After": str(after)})
