"""Why a selection that was previewed is not applied."""

from service.kit.errors import ServiceError


class InvalidSelectionToken(ServiceError):
    """It is no token that a preview gave, or not whole."""

    status, code, title = 400, "invalid_selection_token", "Invalid selection token"

    def __init__(self) -> None:
        super().__init__("This is not a token that a preview gave; ask for a preview and send its token unchanged.")


class NotYourSelection(ServiceError):
    """Somebody else was shown what this token stands for."""

    status, code, title = 403, "not_your_selection", "Not your selection"

    def __init__(self) -> None:
        super().__init__("This token was given to another key or person. Ask for a preview with your own.")


class SelectionExpired(ServiceError):
    """Too long ago, or no longer what was shown; nothing was changed."""

    status, code, title = 410, "selection_expired", "Selection expired"

    def __init__(self) -> None:
        super().__init__("This preview is too old; nothing was changed. Ask for a new one and look at it again.")


class SelectionTooLarge(ServiceError):
    """More numbers match than may be changed at once."""

    status, code, title = 400, "selection_too_large", "Selection too large"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"More than {most} numbers match, and so many at most are changed at once. Narrow the selection, "
            "and do the rest in another order.",
            most=most,
        )


class TooManyPreviews(ServiceError):
    """So many previews of this caller may still be applied that no more are kept."""

    status, code, title = 429, "too_many_previews", "Too many previews"

    def __init__(self, most: int, after: int) -> None:
        super().__init__(
            f"{most} previews of yours can still be applied. Apply or cancel one, or wait until they expire.",
            headers={"Retry-After": str(after)},
        )
