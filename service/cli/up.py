"""`numbergate up`: the whole stack, served until it is told to stop."""

import asyncio
import json as jsonlib
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

from rich.console import Console

from service.cli.faults import told_faults
from service.cli.running import run_until_signalled
from service.cli.stack import Ready, Wanted, stack
from service.settings import BadConfiguration


def run_up(
    *, json: bool, port: int, data: Path | None, teli_url: str | None, teli_key: str | None, verbose: bool
) -> int:
    """Returns the exit code. Only what a program or a person is to have is on stdout; the rest is told on stderr."""
    try:
        wanted = Wanted.of(os.environ, port=port, data=data, teli_url=teli_url, teli_key=teli_key, verbose=verbose)
    except BadConfiguration as bad:
        return told_faults(bad)
    console = Console(stderr=True, highlight=False)
    began = time.perf_counter()

    async def serve(done: Callable[[], None]) -> None:
        def told(phase: str) -> None:
            console.print(f"[green]✓[/] {phase}  [dim]{time.perf_counter() - began:.1f} s[/]")

        async with stack(wanted, told=told) as ready:
            print(jsonlib.dumps(asdict(ready)) if json else shown(ready), flush=True)
            done()
            await asyncio.Event().wait()

    return run_until_signalled(serve)


def shown(ready: Ready) -> str:
    return f"""
Numbergate serves at {ready.base_url}, its reference at {ready.base_url}/docs. Buy a number:

{curl(ready)}

Sent again it is answered as before; another Idempotency-Key buys another number.

An administrator's key: {ready.admin_key}
{log_in(ready)}Stop with Ctrl-C."""


def log_in(ready: Ready) -> str:
    if ready.identity_provider_url is None:
        return ""
    return f"Log in as any of the demo's people: {ready.base_url}/console/login\n"


def curl(ready: Ready) -> str:
    """The first purchase, to be pasted."""
    body = jsonlib.dumps({"area_code": "313", "user_id": ready.user_id, "organization_id": ready.organization_id})
    return (
        f"  curl {ready.base_url}/v1/voice/phone-numbers/create \\\n"
        f"    -H 'X-API-Key: {ready.tenant_key}' -H 'Idempotency-Key: {uuid4()}' \\\n"
        f"    -H 'Content-Type: application/json' \\\n"
        f"    -d '{body}'"
    )
