"""`./dev bench console`: the console's pages in Chromium, on a large inventory, beside the queries that they show.

Of each page: how long the server takes for it and for the same queries over the API, by turns; when a browser that has
its scripts and styles already paints it first, and is done, with the parts too that come after; and how many bytes come
for it, compressed, to a browser that has none of them yet.
"""

import argparse
import json
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from service.cli.provision import demo_people
from service.console import numbers, tenants
from service.embedded import EmbeddedValkey, temporary_data_dir
from tests.bench.inventory.data import LARGEST, Wanted
from tests.bench.inventory.ledger import ledger
from tests.bench.inventory.ways import ENVIRONMENT
from tests.browser.chromium import ARGUMENTS, chromium
from tests.support.process import Serving

ADMINISTRATOR = "Ada, administrator"
MOST_BYTES = 150_000
# How much longer than the query of the API a page may take on the server.
MOST_TIMES = 3.0
# Milliseconds that a page may take, for what it took is told and fails nothing.
PATIENCE = 300_000
# A page may be loaded a frame before it is painted, and parts of it come later.
TIMES = """async () => {
  const paint = await new Promise((told) => new PerformanceObserver((seen) => {
    seen.getEntriesByName("first-contentful-paint").forEach(told);
  }).observe({ type: "paint", buffered: true }));
  const [page] = performance.getEntriesByType("navigation");
  let done = page.loadEventEnd;
  while (document.querySelector("[aria-busy=true]")) {
    await new Promise(requestAnimationFrame);
    done = performance.now();
  }
  const loaded = performance.getEntriesByType("resource");
  return { paint: paint.startTime, done,
           bytes: page.transferSize + loaded.reduce((sum, one) => sum + one.transferSize, 0) };
}"""


@dataclass(frozen=True, slots=True)
class Room:
    """A page of the console, and the queries of the API that make most of it."""

    name: str
    path: str
    queries: tuple[str, ...]


OF_OVERVIEW = (
    "/v1/numbers?limit=1", "/v1/admin/stops", "/v1/admin/accounts", "/v1/admin/doubts?limit=1",
    "/v1/admin/orphans?limit=1", "/v1/admin/ghosts?limit=1",
)  # fmt: skip
ROOMS = (
    Room("the overview", "/console", OF_OVERVIEW),
    Room("what happened by day", "/console/activity", ("/v1/activity?days=30",)),
    *(
        Room(name, f"/console/numbers?{query}", (f"/v1/numbers?limit={numbers.PAGE}&{query}",))
        for name, query in (
            ("numbers", ""),
            ("numbers of the largest organisation", f"organization_id={LARGEST}"),
            ("of them an area code", f"organization_id={LARGEST}&area_code=313"),
            ("of them by nickname", f"organization_id={LARGEST}&sort=nickname"),
        )
    ),
    Room("the limits of all", "/console/limits", ("/v1/admin/deployment/quotas",)),
    Room("the tenants", "/console/tenants", (f"/v1/admin/tenants?limit={tenants.PAGE}",)),
    Room("the audit log", "/console/audit", (f"/v1/admin/audit?limit={tenants.PAGE}",)),
)  # fmt: skip


def parser_into(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("--numbers", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="make the ledger here, or find it again")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")


async def console(asked: argparse.Namespace) -> None:
    began = time.monotonic()

    def told(what: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {what}", flush=True)

    async with (
        ledger(Wanted(asked.numbers, asked.seed), asked.keep, told) as url,
        served(url) as base_url,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        print(f"{asked.numbers} numbers, load {os.getloadavg()[0]:.1f}; ms")
        print(HEAD, flush=True)
        rows = [await _measured(browser, base_url, room, asked.rounds) for room in ROOMS]
        await browser.close()
    if asked.json:
        asked.json.write_text(json.dumps({"numbers": asked.numbers, "pages": rows}, indent=2) + "\n")


HEAD = (
    f"{'page':38} {'query':>8} {'page':>8} {'ratio':>6} {'goal':>5} {'paint p50':>10} {'most':>7} {'done p50':>9}"
    f" {'bytes new':>10} {'again':>7}"
)


@asynccontextmanager
async def served(url: str) -> AsyncIterator[str]:
    """The address of an API on that database, with a provider by which anybody logs in."""
    async with AsyncExitStack() as stack:
        valkey = await stack.enter_async_context(EmbeddedValkey(Path(stack.enter_context(temporary_data_dir()))))
        environment = {
            **ENVIRONMENT, "DATABASE_URL": url, "REDIS_URL": valkey.url, "NUMBERGATE_KEY_ENVIRONMENT": "bench"
        }  # fmt: skip
        serving = Serving(environment)
        stack.callback(serving.close)
        environment |= stack.enter_context(demo_people(serving.url)).settings
        await serving.start()
        yield serving.url


async def _measured(browser: Browser, base_url: str, room: Room, rounds: int) -> dict[str, Any]:
    context, page = await _logged_in(browser, base_url)
    server: dict[str, list[float]] = {"query": [], "page": []}
    paint, done, again = [], [], 0
    async with httpx.AsyncClient(base_url=base_url, timeout=PATIENCE / 1000) as http:
        http.cookies.update({one["name"]: one["value"] for one in await context.cookies()})
        new = await _bytes_of(browser, context, base_url + room.path)
        await page.goto(base_url + room.path)
        for _ in range(rounds):
            for name, paths in (("query", room.queries), ("page", (room.path,))):
                at = time.perf_counter()
                for path in paths:
                    (await http.get(path, headers={"Accept-Encoding": "gzip"})).raise_for_status()
                server[name].append(1000 * (time.perf_counter() - at))
            await page.goto(base_url + room.path)
            times = await page.evaluate(TIMES)
            paint.append(times["paint"])
            done.append(times["done"])
            again = times["bytes"]
    await context.close()
    ratio = median(server["page"]) / median(server["query"])
    row = {
        "page": room.name, "query_ms": _p50(server["query"]), "page_ms": _p50(server["page"]),
        "ratio": round(ratio, 2), "met": ratio <= MOST_TIMES and new <= MOST_BYTES, "paint_ms": _p50(paint),
        "paint_most_ms": round(max(paint), 1), "done_ms": _p50(done), "bytes": new, "bytes_again": again,
    }  # fmt: skip
    print(
        f"{room.name:38} {row['query_ms']:8.1f} {row['page_ms']:8.1f} {ratio:6.2f} {MOST_TIMES:5.1f}"
        f" {row['paint_ms']:10.1f} {row['paint_most_ms']:7.1f} {row['done_ms']:9.1f} {new:10} {again:7}",
        flush=True,
    )
    return row


async def _logged_in(browser: Browser, base_url: str) -> tuple[BrowserContext, Page]:
    context = await browser.new_context()
    context.set_default_timeout(PATIENCE)
    page = await context.new_page()
    await page.goto(f"{base_url}/console/audit")
    await page.get_by_role("link", name=ADMINISTRATOR, exact=True).click()
    await page.wait_for_url(f"{base_url}/console/audit")
    return context, page


async def _bytes_of(browser: Browser, known: BrowserContext, url: str) -> int:
    """All that comes for a page to a browser that has nothing of it yet."""
    context = await browser.new_context(storage_state=await known.storage_state())
    context.set_default_timeout(PATIENCE)
    page = await context.new_page()
    await page.goto(url)
    await page.wait_for_load_state("networkidle")
    found = await page.evaluate(TIMES)
    await context.close()
    return int(found["bytes"])


def _p50(taken: Sequence[float]) -> float:
    return round(median(taken), 1)
