"""What makes an answer a replay."""

import httpx


def same(answer: httpx.Response, first: httpx.Response) -> bool:
    """A replay: equal byte for byte, and marked."""
    return (
        (answer.status_code, answer.content) == (first.status_code, first.content)
        and answer.headers["content-type"] == first.headers["content-type"]
        and answer.headers.get("idempotent-replayed") == "true"
    )
