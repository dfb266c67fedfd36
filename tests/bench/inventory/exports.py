"""The largest organisation as a file, held to a plain COPY of the same rows; and the memory that it takes."""

import time
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg

from tests.bench.inventory.data import LARGEST
from tests.bench.inventory.questions import AGE, HELD, ITEM
from tests.bench.inventory.ways import OverHttp

FORMATS = {
    "CSV": "text/csv",
    "NDJSON": "application/x-ndjson",
    "Parquet": "application/vnd.apache.parquet",
}
COPY = f"SELECT {ITEM} FROM numbers WHERE organization_id = $1 AND {HELD} ORDER BY {AGE}"
SMALL = "org-0100"


async def exports(url: str, over_http: OverHttp, rounds: int) -> list[dict[str, Any]]:
    """Rows a second, and the most memory that the API held before and after it exported them all."""
    connection = await asyncpg.connect(url)
    await _export(over_http, "text/csv", SMALL)
    taken: dict[str, list[float]] = {"COPY": [], **{name: [] for name in FORMATS}}
    sizes: dict[str, int] = {}
    memory: dict[str, tuple[int, int]] = {}
    rows = 0
    for _ in range(rounds):
        began = time.perf_counter()
        sizes["COPY"] = 0

        async def count(data: bytes) -> None:
            sizes["COPY"] += len(data)

        status = await connection.copy_from_query(COPY, LARGEST, output=count, format="csv")
        taken["COPY"].append(time.perf_counter() - began)
        rows = int(status.split()[-1])
        for name, accept in FORMATS.items():
            before = _most_memory(over_http)
            began = time.perf_counter()
            sizes[name] = await _export(over_http, accept, LARGEST)
            taken[name].append(time.perf_counter() - began)
            memory.setdefault(name, (before, _most_memory(over_http)))
    await connection.close()
    told = []
    plain = rows / median(taken["COPY"])
    for name, seconds in taken.items():
        rate = rows / median(seconds)
        row: dict[str, Any] = {
            "export": name, "rows": rows, "bytes": sizes[name], "rows a second": round(rate),
            "of COPY": round(rate / plain, 2),
        }  # fmt: skip
        if name in memory:
            row["MB before"], row["MB after"] = memory[name]
        told.append(row)
        print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return told


async def _export(over_http: OverHttp, accept: str, organization: str) -> int:
    size = 0
    headers = {"X-API-Key": over_http.keys["administrator"], "Accept": accept}
    params = {"organization_id": organization}
    async with over_http.http.stream("GET", "/v1/numbers", params=params, headers=headers) as answer:
        if answer.status_code != 200:
            raise RuntimeError(f"{accept}: {answer.status_code} {(await answer.aread())[:500]!r}")
        async for piece in answer.aiter_raw():
            size += len(piece)
    return size


def _most_memory(over_http: OverHttp) -> int:
    """MB that the API held at most since it began."""
    status = Path(f"/proc/{over_http.serving.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024
