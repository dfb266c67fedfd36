"""`numbergate demo`: the whole stack, and one number bought over REST."""

import asyncio
import json as jsonlib
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from service.cli.stack import Ready, Wanted, curl, guarded, stack
from service.embedded import temporary_data_dir


def run_demo(*, once: bool, json: bool, port: int, data: Path | None) -> int:
    """Returns the exit code. A demo that is to leave nothing behind keeps its data in a temporary folder."""
    console = Console(file=sys.stderr if json else sys.stdout)

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        try:
            await _demo(console, once=once, json=json, port=port, data=data)
        except asyncio.CancelledError:
            console.print("stopped")

    return guarded(main)


async def _demo(console: Console, *, once: bool, json: bool, port: int, data: Path | None) -> None:
    began = time.perf_counter()
    phases: list[tuple[str, float]] = []

    def told(phase: str) -> None:
        phases.append((phase, time.perf_counter() - began))
        console.print(f"[green]✓[/] {phase}", highlight=False)

    with ExitStack() as folders:
        if data is None and once:
            data = folders.enter_context(temporary_data_dir())
        async with stack(Wanted(port=port, data=data), told=told) as ready:
            bought = await buy_one(ready, key=f"demo-{time.time_ns()}")
            told("a number bought over HTTP")
            elapsed = time.perf_counter() - began
            _show(console, ready, bought, phases)
            if not once:
                console.print("\nServing; stop with Ctrl-C. Buy another:\n")
                console.print(curl(ready), highlight=False, soft_wrap=True)
            if json:
                told_fields = {name: bought[name] for name in ("phone_number", "id", "operation_id")}
                print(jsonlib.dumps(told_fields | {"elapsed_seconds": round(elapsed, 3)}), flush=True)
            if not once:
                await asyncio.Event().wait()


async def buy_one(ready: Ready, *, key: str) -> dict[str, Any]:
    """Buy a number in area code 313 as any service would, and wait for the outcome."""
    headers = {"X-API-Key": ready.tenant_key, "Idempotency-Key": key}
    async with httpx.AsyncClient(base_url=ready.base_url, headers=headers, trust_env=False, timeout=60) as http:
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
        raise OSError(f"the purchase was answered {answer.status_code}: {answer.text}")
    bought: dict[str, Any] = answer.json()
    return bought


def _show(console: Console, ready: Ready, bought: dict[str, Any], phases: list[tuple[str, float]]) -> None:
    console.print(f"\nBought [bold]{bought['phone_number_pretty']}[/], once, and filed it:")
    facts = Table(show_header=False, box=None, padding=(0, 2))
    for name in ("phone_number", "id", "operation_id", "state"):
        facts.add_row(name, str(bought[name]))
    console.print(facts)
    console.print("\nWhere the time went:")
    times = Table(show_header=False, box=None, padding=(0, 2))
    before = 0.0
    for phase, at in phases:
        times.add_row(phase, f"{at - before:.2f} s")
        before = at
    times.add_row("[bold]in all[/]", f"[bold]{before:.2f} s[/]")
    console.print(times)
    console.print("\nHow to go on: ./dev up serves the same stack; README.md has the first purchase by curl.")
