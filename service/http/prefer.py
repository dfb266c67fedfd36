"""`Prefer: respond-async` and `wait=N` (RFC 7240): how long a caller wants to wait. What cannot be read is ignored."""

import re
from typing import Annotated

from fastapi import Depends, Header

LONGEST_WAIT = 120.0
# However long: more than the longest is the longest.
WAIT = re.compile(r'wait\s*=\s*"?([0-9]+)"?', re.IGNORECASE)


async def patience(
    prefer: Annotated[str | None, Header(description="RFC 7240: respond-async, wait=N")] = None,
) -> float | None:
    """Seconds to wait for the outcome, or None where the caller did not say."""
    preferences = [part.strip() for part in (prefer or "").split(",")]
    for preference in preferences:
        if found := WAIT.fullmatch(preference):
            return min(float(found[1]), LONGEST_WAIT)
    return 0.0 if any(preference.lower() == "respond-async" for preference in preferences) else None


Patience = Annotated[float | None, Depends(patience)]
