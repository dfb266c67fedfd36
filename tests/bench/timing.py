"""How long statements take, as the driver has it."""

import time
from typing import Any

from sqlalchemy import event

from service.db import Database


def timed(database: Database) -> list[float]:
    """The seconds that each statement of this database took, the latest last."""
    times: list[float] = []
    began = 0.0

    def before(*_: Any) -> None:
        nonlocal began
        began = time.perf_counter()

    def after(*_: Any) -> None:
        times.append(time.perf_counter() - began)

    event.listen(database.engine.sync_engine, "before_cursor_execute", before)
    event.listen(database.engine.sync_engine, "after_cursor_execute", after)
    return times
