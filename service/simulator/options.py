"""What a simulator is started with."""

from dataclasses import dataclass
from pathlib import Path

# The examples of the vendor's own pages, so that they run as they stand.
TENANT = "your_tenant"
ORGANIZATION = "1762896364768x389173798861431550"
USER = "1762896366429x599348279945132448"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One tenant with its key, one organisation, one user, and where all of it is kept.

    Ports of 0 take a free one. Without `state` everything is in memory; with it, a SQLite file outlives the process,
    kill -9 included. `strict` refuses whatever the vendor's documents do not show.
    """

    key: str
    port: int = 0
    control_port: int = 0
    tenant: str = TENANT
    organization: str = ORGANIZATION
    user: str = USER
    state: Path | None = None
    strict: bool = False
