"""`numbergate demo`: the whole stack, and one number bought over REST."""

import asyncio
import json as jsonlib
import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from service.cli.faults import CannotStart, told_faults
from service.cli.running import run_until_signalled
from service.cli.stack import Ready, Wanted, stack
from service.cli.up import curl
from service.embedded import temporary_data_dir
from service.settings import BadConfiguration


def run_demo(*, once: bool, json: bool, port: int, data: Path | None, began: float) -> int:
    """Returns the exit code. A demo that is to leave nothing behind keeps its data in a temporary folder.

    Args: began, when the command was called, by `time.perf_counter`.
    """
    console = Console(file=sys.stderr if json else sys.stdout, highlight=False)

    try:
        wanted = Wanted.of(os.environ, port=port, data=data)
    except BadConfiguration as bad:
        return told_faults(bad)

    async def demonstrate(done: Callable[[], None]) -> None:
        watch = Stopwatch(console, began)
        watch.told("loading the program")
        with temporary_data_dir() if once and data is None else nullcontext(wanted.data) as folder:
            async with stack(replace(wanted, data=folder), told=watch.told) as ready:
                bought = await buy_one(ready, key=f"demo-{time.time_ns()}")
                watch.told("a number bought over HTTP")
                _show(console, bought, watch)
                done()
                if not once:
                    console.print("\nServing; stop with Ctrl-C. Buy another:\n")
                    console.print(curl(ready), markup=False, soft_wrap=True)
                if json:
                    facts = {name: bought[name] for name in ("phone_number", "id", "operation_id")}
                    print(jsonlib.dumps(facts | {"elapsed_seconds": round(watch.elapsed, 3)}), flush=True)
                if not once:
                    await asyncio.Event().wait()

    return run_until_signalled(demonstrate)


class Stopwatch:
    """Tells each phase as it ends, and where the time went."""

    def __init__(self, console: Console, began: float) -> None:
        self._console = console
        self._began = began
        self.elapsed = 0.0
        self.phases: list[tuple[str, float]] = []

    def told(self, phase: str) -> None:
        before, self.elapsed = self.elapsed, time.perf_counter() - self._began
        self.phases.append((phase, self.elapsed - before))
        self._console.print(f"[green]✓[/] {phase}")


async def buy_one(ready: Ready, *, key: str) -> dict[str, Any]:
    """Buy a number in area code 313 as any service would, and wait for the outcome. Raises: CannotStart."""
    from service.cli import loopback

    headers = {"X-API-Key": ready.tenant_key, "Idempotency-Key": key}
    async with loopback.client(base_url=ready.base_url, headers=headers, timeout=60) as http:
        answer = await http.post(
            "/v1/voice/phone-numbers/create",
            json={
                "area_code": "313",
                "user_id": ready.user_id,
                "organization_id": ready.organization_id,
                "nickname": "My first number",
            },
        )
    if answer.status_code != 200:
        raise CannotStart(f"the purchase was answered {answer.status_code}: {answer.text}")
    bought: dict[str, Any] = answer.json()
    return bought


def _show(console: Console, bought: dict[str, Any], watch: Stopwatch) -> None:
    console.print(f"\nBought [bold]{bought['phone_number_pretty']}[/], once, and filed it:")
    facts = Table(show_header=False, box=None, padding=(0, 2))
    for name in ("phone_number", "id", "operation_id", "state"):
        facts.add_row(name, str(bought[name]))
    console.print(facts)
    console.print("\nWhere the time went:")
    times = Table(show_header=False, box=None, padding=(0, 2))
    for phase, seconds in watch.phases:
        times.add_row(phase, f"{seconds:.2f} s")
    times.add_row("[bold]in all[/]", f"[bold]{watch.elapsed:.2f} s[/]")
    console.print(times)
    console.print("\nHow to go on: ./dev up serves the same stack, README.md shows a first purchase.")
