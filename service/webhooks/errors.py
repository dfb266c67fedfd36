"""Why a webhook is not delivered there."""


class TargetRefused(Exception):
    """Nothing is sent to this URL; the words say why, and the mend."""
