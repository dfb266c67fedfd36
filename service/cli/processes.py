"""The single processes: `serve`, `worker`, `migrate`, and issuing the first key."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from contextlib import nullcontext
from typing import Any

from service.settings import BadConfiguration, Settings

BAD_CONFIGURATION = 2


def settings_or_exit() -> Settings:
    """The settings; or one line for each fault on stderr and exit code 2, before anything starts."""
    try:
        return Settings.from_environment(os.environ)
    except BadConfiguration as bad:
        for fault in bad.faults:
            print(f"configuration: {fault}", file=sys.stderr)
        raise SystemExit(BAD_CONFIGURATION) from None


def _prepare(settings: Settings, host: str) -> None:
    from service.observability.logs import configure_logs
    from service.observability.metrics import serve_metrics

    configure_logs(
        form=settings.log_format,
        level=settings.log_level,
        secrets=[settings.teli_api_key.get_secret_value(), settings.secret.get_secret_value()],
    )
    if settings.metrics_port is not None:
        serve_metrics(host, settings.metrics_port)


def _run(main: Coroutine[Any, Any, None]) -> int:
    """Run to the end; what hinders the start is told in one line."""
    import uvloop

    from service.db import WrongRole
    from service.kit.errors import ServiceError
    from service.migrations import NotMigrated

    try:
        uvloop.run(main)
    except (NotMigrated, WrongRole, ServiceError) as error:
        print(f"numbergate: {error}", file=sys.stderr)
        return 1
    return 0


def run_api(*, host: str, port: int, fd: int | None) -> int:
    import gc

    import uvicorn

    from service.app import create_app
    from service.wiring import services

    settings = settings_or_exit()
    _prepare(settings, host)

    async def main() -> None:
        async with services(settings, "numbergate_api") as found:
            config = uvicorn.Config(
                create_app(lambda: nullcontext(found)),
                host=host,
                port=port,
                fd=fd,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                http="httptools",
                ws="none",
                timeout_keep_alive=75,
                # Longer than any caller is kept waiting, so that nobody's answer is cut off.
                timeout_graceful_shutdown=int(settings.answer_within) + 10,
            )
            # Once serving has ended uvicorn raises the signal again; by then it must not kill us.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: None)
            gc.collect()
            gc.freeze()
            await uvicorn.Server(config).serve()

    return _run(main())


def run_worker() -> int:
    from service.worker import stop_on_signals, work

    settings = settings_or_exit()
    _prepare(settings, "127.0.0.1")

    async def main() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)
        await work(settings, stop)

    return _run(main())


def run_migrate(revision: str) -> int:
    from service.migrations import migrate

    url = os.environ.get("DATABASE_URL")
    if not url:
        print("configuration: DATABASE_URL: is not set", file=sys.stderr)
        return BAD_CONFIGURATION
    asyncio.run(migrate(url, revision))
    return 0


def run_create_admin(name: str) -> int:
    from service.tenants.administration import Author
    from service.wiring import services

    settings = settings_or_exit()

    async def main() -> None:
        async with services(settings, "numbergate_api") as found:
            issued = await found.administration.issue_staff_key(Author("command line"), "admin", name)
            print(issued.key)

    return _run(main())
