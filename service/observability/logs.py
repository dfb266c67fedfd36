"""Structured logs on stderr: JSON, or readable in a terminal; secrets taken out wherever they turn up."""

import json
import logging
import re
import sys
from collections.abc import Iterable, MutableMapping, Sequence
from functools import lru_cache
from typing import Any

import orjson
import structlog
from structlog.typing import Processor

# Our own keys (prefix, environment, body) and sessions, JSON Web Tokens, credentials in URLs, what Postgres quotes of a
# row in the second line of its errors, and anything under a telling name.
KEY_SHAPE = re.compile(r"(ngk_)[a-z]{2,8}_[0-9A-Za-z]{8,}|(ngs_)[\w-]{8,}|(eyJ)[\w-]+\.[\w-]+\.[\w-]*")
URL_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*(?=@)")
QUOTED_ROW = re.compile(r"(?<=^DETAIL:  ).*", re.MULTILINE)
# What one of them begins with: nearly no text has it, and is looked through once.
SUSPICIOUS = re.compile(r"ngk_|ngs_|eyJ|://|^DETAIL:", re.MULTILINE)
TELLING = re.compile(r"(password|secret|authorization|x-api-key|api_key|token|dsn)", re.IGNORECASE)


class Redact:
    """A structlog processor. `secrets` are taken out verbatim, whatever they stand in."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = [secret for secret in secrets if secret]

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for name, value in event.items():
            if _is_telling(name):
                event[name] = "…"
            elif isinstance(value, str):
                event[name] = self.clean(value)
            elif not isinstance(value, int | float | bool | None):
                event[name] = self.clean(str(value))
        return event

    def clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "…")
        if not SUSPICIOUS.search(text):
            return text
        return QUOTED_ROW.sub("…", URL_CREDENTIALS.sub("…", KEY_SHAPE.sub(_prefix_alone, text)))


@lru_cache(1000)
def _is_telling(name: str) -> bool:
    return TELLING.search(name) is not None


def _prefix_alone(found: re.Match[str]) -> str:
    return f"{found[found.lastindex or 0]}…"


def _as_json(event: Any, **how: Any) -> str:
    """In ASCII: whoever reads it in a terminal is shown no control characters, however they are encoded."""
    try:
        line = orjson.dumps(event).decode()
    except TypeError:  # What it does not know, half a character among it.
        return json.dumps(event, **how)
    return line if line.isascii() else json.dumps(event, **how)


class AtLeast:
    """A structlog processor: nothing below this level."""

    def __init__(self, level: str) -> None:
        levels = logging.getLevelNamesMapping()
        self._dropped = {name.lower() for name, value in levels.items() if value < levels[level.upper()]}

    def __call__(self, _logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if method in self._dropped:
            raise structlog.DropEvent
        return event


class Lines:
    """Loggers that write a line each. By way of the standard library's logging one takes three times as long."""

    def __init__(self) -> None:
        self._names = structlog.stdlib.LoggerFactory()

    def __call__(self, *names: str) -> "Line":
        """Of the name that is asked for, or that of the module that asks."""
        return Line(self._names(*names).name)


class Line:
    def __init__(self, name: str) -> None:
        self.name = name

    def write(self, text: str) -> None:
        # As it is by now: what was put in its place for a while, by who collects what is written, may be gone.
        sys.stderr.write(f"{text}\n")

    debug = info = warning = error = critical = write


LINES = Lines()
# Loggers keep both from their first use on: the list is changed, and never put in place of.
PROCESSORS: list[Any] = []


def configure_logs(
    *, form: str = "auto", level: str = "info", secrets: Iterable[str] = (), beside: Sequence[Processor] = ()
) -> None:
    """Set up structlog and the standard library's logging alike. `form`: json, pretty, or auto (by terminal). `beside`:
    what else puts something on each line.
    """
    pretty = form == "pretty" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        *beside,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    # Tracebacks become text before redaction, or what they quote would slip past it.
    last: list[Any] = [
        structlog.processors.format_exc_info,
        Redact(secrets),
        structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer(_as_json),
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
    PROCESSORS[:] = [AtLeast(level), *shared, *last]
    structlog.configure(
        processors=PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        logger_factory=LINES,
        cache_logger_on_first_use=True,
    )
