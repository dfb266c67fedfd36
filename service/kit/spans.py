"""Spans: what a request or a job did, and how long each part took, for whoever traces.

Nothing of a tracing library is known here: where traces are wanted, `service.observability.tracing` puts a tracer in
place as a process starts. Where they are not, a span is one call that answers NOTHING.
"""

from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Literal, Protocol, Self

Kind = Literal["server", "client", "internal"]
Fact = str | int | float | bool
NO_FACTS: Mapping[str, Fact] = MappingProxyType({})
POSTGRES: Mapping[str, Fact] = MappingProxyType({"db.system.name": "postgresql"})
REDIS: Mapping[str, Fact] = MappingProxyType({"db.system.name": "redis"})


class Span(Protocol):
    """What leaves its block as an exception is told by its class alone: texts of errors quote what was asked."""

    def __enter__(self) -> "Span": ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def tell(self, facts: Mapping[str, Fact], *, name: str | None = None, failed: bool = False) -> None: ...


class Tracer(Protocol):
    def span(self, name: str, kind: Kind, facts: Mapping[str, Fact]) -> Span: ...
    def onward(self) -> dict[str, str]: ...
    def exemplar(self) -> dict[str, str] | None: ...


class Nothing:
    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def tell(self, facts: Mapping[str, Fact], *, name: str | None = None, failed: bool = False) -> None:
        pass


NOTHING = Nothing()
_tracer: Tracer | None = None


def trace_by(tracer: Tracer | None) -> None:
    """For the whole process from now on."""
    # A process has one, and whoever opens a span knows of no wiring.
    global _tracer  # noqa: PLW0603
    _tracer = tracer


def span(name: str, kind: Kind = "internal", facts: Mapping[str, Fact] = NO_FACTS) -> Span:
    """To be entered. `name`: of few values; nothing of a tenant's stands in it, nor in the facts."""
    return NOTHING if _tracer is None else _tracer.span(name, kind, facts)


def onward() -> dict[str, str] | None:
    """Headers by which what is asked next goes on with the trace."""
    return None if _tracer is None else _tracer.onward()


def exemplar() -> dict[str, str] | None:
    """The trace that a measurement is an example of, if it is kept."""
    return None if _tracer is None else _tracer.exemplar()
