"""The single processes: `serve`, `worker`, `migrate`, and issuing the first key."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from contextlib import ExitStack, nullcontext
from socket import socket
from typing import TYPE_CHECKING, Any, Literal

from service.cli.children import patience_of_api
from service.cli.faults import FAILED, CannotStart, failed, settings_or_exit
from service.cli.listening import listen
from service.cli.several import run_several
from service.settings import DatabaseSettings, Settings

if TYPE_CHECKING:
    from service.observability.tracing import OpenTelemetry

GIVES_WAY = 10


def run_api(*, host: str, port: int, fd: int | None, workers: int = 1) -> int:
    """Returns the exit code. `fd`: an open socket to serve on, instead of host and port. `workers`: how many processes
    serve on it.
    """
    import uvicorn

    from service.app import create_app
    from service.http.edge import Limits
    from service.http.server import Server, limited
    from service.kit.garbage import keep_what_is_here
    from service.wiring import services

    settings = settings_or_exit(Settings)

    async def main() -> None:
        async with services(settings, "numbergate_api") as found:
            app = create_app(lambda: nullcontext(found))
            config = uvicorn.Config(
                app if tracer is None else tracer.around(app),
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                http=limited(Limits()),
                ws="none",
                timeout_keep_alive=75,
                # Longer than any caller is kept waiting once the drain has begun, so that nobody's answer is cut off.
                timeout_graceful_shutdown=int(settings.answer_within) + 10,
            )
            # Once serving has ended uvicorn raises the signal again; by then it must not kill us.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: None)
            keep_what_is_here()
            server = Server(
                config,
                leaving=found.drain.announce,
                stopping=found.drain.begin,
                notice=settings.drain_notice,
            )
            await server.serve(sockets=[listener])

    with ExitStack() as opened:
        try:
            listener = opened.enter_context(listen(host, port) if fd is None else socket(fileno=fd))
            if workers > 1:
                serving = run_several(
                    listener.fileno(),
                    workers=workers,
                    metrics_port=settings.metrics_port,
                    patience=patience_of_api(settings.answer_within) + settings.drain_notice,
                )
                return asyncio.run(serving)
            tracer = _prepare(settings, host, "api")
        except CannotStart as error:
            return failed(error)
        return _run(main())


def run_worker(*, host: str) -> int:
    """Returns the exit code. `host`: where its metrics listen."""
    from service.worker import stop_on_signals, work

    settings = settings_or_exit(Settings)

    async def main() -> None:
        # Nobody waits for a worker as somebody does for an API on the same machine.
        os.nice(GIVES_WAY)
        stop = asyncio.Event()
        stop_on_signals(stop)
        await work(settings, stop)

    try:
        _prepare(settings, host, "worker")
    except CannotStart as error:
        return failed(error)
    return _run(main())


def run_migrate(revision: str, *, sql: bool) -> int:
    """Returns the exit code. `sql`: only print what an empty database would be told."""
    from service.migrations import as_sql, migrate

    if sql:
        print(as_sql(revision))
        return 0
    settings = settings_or_exit(DatabaseSettings)
    return _run(migrate(settings.database_url.get_secret_value(), revision))


def run_create_key(kind: Literal["admin", "finance", "operator"], name: str, networks: tuple[str, ...] | None) -> int:
    """Returns the exit code; prints the key."""
    from service.tenants.administration import Author
    from service.wiring import services

    settings = settings_or_exit(Settings)

    async def main() -> None:
        async with services(settings, "numbergate_api") as found:
            issued = await found.administration.issue_staff_key(Author("command line"), kind, name, networks)
            print(issued.key)

    return _run(main())


def run_recover(*, over: bool, reason: str) -> int:
    """Returns the exit code. `over`: end the recovery without a sweep."""
    from service.tenants.administration import Author
    from service.wiring import services

    settings = settings_or_exit(Settings)
    ended = False

    async def main() -> None:
        nonlocal ended
        async with services(settings, "numbergate_api") as found:
            author = Author("command line")
            if over:
                ended = await found.stops.recovered(author, reason)
            else:
                await found.stops.recover(author, reason)

    if (code := _run(main())) != 0:
        return code
    if not over:
        print("Nothing is bought until a sweep has found what was bought since; a worker does that by itself.")
    else:
        print("The recovery is over; purchases go on." if ended else "No recovery was under way.")
    return 0


def run_reencrypt(*, json: bool) -> int:
    """Returns the exit code: 1 where one cannot be opened, which leaves it as it is."""
    import json as jsonlib

    from service.tenants.accounts import Reencrypted
    from service.tenants.administration import Author
    from service.wiring import services

    settings = settings_or_exit(Settings)
    done: list[Reencrypted] = []

    async def main() -> None:
        async with services(settings, "numbergate_api") as found:
            done.extend([await one.reencrypt(Author("command line")) for one in (found.accounts, found.webhooks)])

    if (code := _run(main())) != 0:
        return code
    anew, before = sum(one.anew for one in done), sum(one.before for one in done)
    not_opened = [why for one in done for why in one.not_opened]
    if json:
        print(jsonlib.dumps({"anew": anew, "before": before, "not_opened": not_opened}))
    else:
        print(f"encrypted anew: {anew}, already so: {before}")
    for why in not_opened:
        failed(f"not encrypted anew: {why}")
    return FAILED if not_opened else 0


def _prepare(settings: Settings, host: str, process: Literal["api", "worker"]) -> "OpenTelemetry | None":
    """Logs, metrics and traces; the tracer, where there are traces. Raises: CannotStart."""
    from service.observability.logs import configure_logs
    from service.observability.metrics import serve_metrics

    tracer = _trace(settings, process) if settings.traces_url is not None else None
    configure_logs(
        form=settings.log_format,
        level=settings.log_level,
        secrets=settings.secrets,
        beside=[tracer.told_in_logs] if tracer is not None else [],
    )
    if settings.metrics_port is not None:
        try:
            serve_metrics(host, settings.metrics_port)
        except OSError as error:
            raise CannotStart(f"metrics on port {settings.metrics_port} of {host}: {error.strerror}") from None
    return tracer


def _trace(settings: Settings, process: Literal["api", "worker"]) -> "OpenTelemetry":
    """Takes a while to load, and is an extra. Raises: CannotStart."""
    try:
        from service.observability.tracing import start_tracing
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("opentelemetry"):
            raise
        raise CannotStart("NUMBERGATE_TRACES_URL needs more packages: pip install 'numbergate[otel]'") from None
    assert settings.traces_url is not None
    return start_tracing(settings.traces_url, ratio=settings.traces_ratio, process=process)


def _run(main: Coroutine[Any, Any, None]) -> int:
    """Run to the end; what hinders the start is told in one line."""
    import asyncpg
    import uvloop
    from sqlalchemy.exc import DBAPIError

    from service.db import WrongRole
    from service.kit.errors import ServiceError
    from service.migrations import NotMigrated

    try:
        uvloop.run(main)
    except (NotMigrated, WrongRole, ServiceError) as error:
        return failed(error)
    except DBAPIError as error:
        return failed(f"the database refused: {error.orig}")
    except (OSError, asyncpg.PostgresError) as error:
        return failed(f"the database does not let us in: {error}")
    return 0
