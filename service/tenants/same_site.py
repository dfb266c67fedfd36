"""A browser sends the session along whichever site asks: a change must show that it began on a page of ours."""

import secrets
from collections.abc import Mapping

from service.kit.errors import ServiceError

SAFE = ("GET", "HEAD", "OPTIONS")
TOKEN_HEADER = "X-CSRF-Token"  # noqa: S105 - the header's name


class CrossSiteRequest(ServiceError):
    """A change was asked for with a session, and it does not show that it began on our own pages."""

    status, code, title = 403, "cross_site_request", "Cross-site request"


def check_same_site(method: str, headers: Mapping[str, str], *, origin: str, token: str) -> None:
    """A request with a session may change something only from a page of ours, at `origin`, that read `token`.

    Raises: CrossSiteRequest.
    """
    if method in SAFE:
        return
    began = headers.get("sec-fetch-site", "same-origin")
    if began != "same-origin" or headers.get("origin", origin) != origin:
        raise CrossSiteRequest(f"This began elsewhere: with a session, changes are asked for from {origin} alone.")
    if not secrets.compare_digest(headers.get(TOKEN_HEADER.lower(), "").encode(), token.encode()):
        raise CrossSiteRequest(f"Send {TOKEN_HEADER}, as GET /v1/me tells it for this session.")
