"""Why there is no export now; what is wrong with the request itself is an `InvalidRequest`."""

from service.kit.errors import ServiceError


class ExportsBusy(ServiceError):
    """As many exports as there may be are being made or read, and the wait for one to end grew too long."""

    status, code, title = 503, "exports_busy", "Exports busy"

    def __init__(self, detail: str, *, seconds: int) -> None:
        super().__init__(detail, headers={"Retry-After": str(seconds)})


class ExportStorageFull(ServiceError):
    """There is no room where exports are written before they are sent."""

    status, code, title = 503, "export_storage_full", "Export storage full"

    def __init__(self) -> None:
        super().__init__(
            "There is no room left to write this export here. Ask for less at a time, or again later.",
            headers={"Retry-After": "60"},
        )
