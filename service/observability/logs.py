"""Structured logs on stderr: JSON, or readable in a terminal; secrets taken out wherever they turn up."""

import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any

import structlog

# Our own keys (prefix, environment, body) and sessions, JSON Web Tokens, credentials in URLs, what Postgres quotes of a
# row in the second line of its errors, and anything under a telling name.
KEY_SHAPE = re.compile(r"(ngk_)[a-z]{2,8}_[0-9A-Za-z]{8,}|(ngs_)[\w-]{8,}|(eyJ)[\w-]+\.[\w-]+\.[\w-]*")
URL_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*(?=@)")
QUOTED_ROW = re.compile(r"(?<=^DETAIL:  ).*", re.MULTILINE)
TELLING = re.compile(r"(password|secret|authorization|x-api-key|api_key|token|dsn)", re.IGNORECASE)


class Redact:
    """A structlog processor. `secrets` are taken out verbatim, whatever they stand in."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = [secret for secret in secrets if secret]

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for name, value in event.items():
            if TELLING.search(name):
                event[name] = "…"
            elif isinstance(value, str):
                event[name] = self.clean(value)
            elif not isinstance(value, int | float | bool | None):
                event[name] = self.clean(str(value))
        return event

    def clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return QUOTED_ROW.sub("…", URL_CREDENTIALS.sub("…", KEY_SHAPE.sub(_prefix_alone, text)))


def _prefix_alone(found: re.Match[str]) -> str:
    return f"{found[found.lastindex or 0]}…"


def configure_logs(*, form: str = "auto", level: str = "info", secrets: Iterable[str] = ()) -> None:
    """Set up structlog and the standard library's logging alike. `form`: json, pretty, or auto (by terminal)."""
    pretty = form == "pretty" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    # Tracebacks become text before redaction, or what they quote would slip past it.
    last: list[Any] = [
        structlog.processors.format_exc_info,
        Redact(secrets),
        structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer(),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for chatty in ("httpx", "httpcore", "uvicorn.access", "asyncio", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
