"""Traces by OpenTelemetry, sent to a collector by OTLP. Loaded only by processes that trace, and with it the library.

A caller's `traceparent` is gone on with, and told to Teli. What stands in a span: methods, routes, statements without
their values, names of scripts and accounts. Never a path, a value or the text of an error.
"""

from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from sqlalchemy import event
from sqlalchemy.engine import Engine
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import __version__
from service.http.context import header, request_id_of
from service.kit.spans import POSTGRES, Fact, Kind, trace_by

KINDS = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT, "internal": SpanKind.INTERNAL}
# Seconds. A collector that is away is waited for by nobody but the thread that sends, and by a process that ends.
PATIENCE = 3
# Characters of a statement that are kept.
LONGEST = 2000
W3C = TraceContextTextMapPropagator()


class Traced:
    """A span of the library behind the protocol of `service.kit.spans`."""

    def __init__(self, opened: AbstractContextManager[trace.Span]) -> None:
        self._opened = opened

    def __enter__(self) -> Self:
        self._span = self._opened.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is not None:
            self.tell({"error.type": kind.__qualname__}, failed=True)
        self._opened.__exit__(None, None, None)

    def tell(self, facts: Mapping[str, Fact], *, name: str | None = None, failed: bool = False) -> None:
        self._span.set_attributes(facts)
        if name is not None:
            self._span.update_name(name)
        if failed:
            self._span.set_status(Status(StatusCode.ERROR))


class OpenTelemetry:
    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("numbergate", __version__)
        self.statements = Statements(self)

    def span(self, name: str, kind: Kind, facts: Mapping[str, Fact]) -> Traced:
        return self._open(name, kind, facts)

    def of_caller(self, scope: Scope) -> Traced:
        """Of a request, which goes on with its caller's trace where it names one."""
        carrier = {name: value for name in ("traceparent", "tracestate") if (value := header(scope, name.encode()))}
        facts = {"http.request.method": scope["method"], "numbergate.request_id": request_id_of(scope)}
        return self._open(scope["method"], "server", facts, carrier)

    def onward(self) -> dict[str, str]:
        carrier: dict[str, str] = {}
        W3C.inject(carrier)
        return carrier

    def exemplar(self) -> dict[str, str] | None:
        current = trace.get_current_span().get_span_context()
        return {"trace_id": f"{current.trace_id:032x}"} if current.trace_flags.sampled else None

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application, with a span for each request."""
        return TracedRequests(app, self)

    @staticmethod
    def told_in_logs(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A structlog processor: which span a line was written in."""
        current = trace.get_current_span().get_span_context()
        if current.is_valid:
            line["trace_id"] = f"{current.trace_id:032x}"
            line["span_id"] = f"{current.span_id:016x}"
        return line

    def started(self, name: str) -> trace.Span:
        """One that is ended by hand, and that nothing else is a part of."""
        return self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=dict(POSTGRES))

    def close(self) -> None:
        """Trace no more, and send what is left."""
        trace_by(None)
        self.statements.stop()
        self._provider.shutdown()

    def _open(
        self, name: str, kind: Kind, facts: Mapping[str, Fact], carrier: Mapping[str, str] | None = None
    ) -> Traced:
        return Traced(
            self._tracer.start_as_current_span(
                name,
                context=None if carrier is None else W3C.extract(dict(carrier)),
                kind=KINDS[kind],
                attributes=facts,
                record_exception=False,
                set_status_on_exception=False,
            )
        )


class TracedRequests:
    """Around the whole application: a span for each request, named after its route once that is known."""

    def __init__(self, app: ASGIApp, tracer: OpenTelemetry) -> None:
        self.app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with self._tracer.of_caller(scope) as span:
            status = 0

            async def answer(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await self.app(scope, receive, answer)
            finally:
                route = getattr(scope.get("route"), "path", "unmatched")
                facts: dict[str, Fact] = {"http.route": route, "http.response.status_code": status}
                span.tell(facts, name=f"{scope['method']} {route}", failed=status >= 500)


def start_tracing(url: str, *, ratio: float, process: str) -> OpenTelemetry:
    """Trace from here on. `url`: of the collector; `ratio`: of traces that begin here, how many are kept; `process`:
    `api` or `worker`.
    """
    named = {SERVICE_NAME: f"numbergate-{process}", SERVICE_VERSION: __version__, SERVICE_INSTANCE_ID: str(uuid4())}
    provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(ratio)), resource=Resource.create(named))
    exporter = OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces", timeout=PATIENCE)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = OpenTelemetry(provider)
    trace_by(tracer)
    tracer.statements.listen()
    return tracer


class Statements:
    """A span for each statement of every engine; those that pass SQLAlchemy by have theirs where they are asked."""

    def __init__(self, tracer: OpenTelemetry) -> None:
        self._tracer = tracer
        self._heard = (
            ("before_cursor_execute", self.begin),
            ("after_cursor_execute", self.end),
            ("handle_error", self.fail),
        )

    def listen(self) -> None:
        for name, heard in self._heard:
            event.listen(Engine, name, heard)

    def stop(self) -> None:
        for name, heard in self._heard:
            event.remove(Engine, name, heard)

    def begin(self, _connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
        context.numbergate_span = span = self._tracer.started(statement.split(None, 1)[0].upper())
        span.set_attribute("db.query.text", statement[:LONGEST])

    def end(self, _connection: Any, _cursor: Any, _statement: str, _values: Any, context: Any, _many: bool) -> None:
        context.numbergate_span.end()

    def fail(self, context: Any) -> None:
        span = getattr(context.execution_context, "numbergate_span", None)
        if span is not None:
            span.set_attribute("error.type", type(context.original_exception).__qualname__)
            span.set_status(Status(StatusCode.ERROR))
            span.end()
