"""The listing on Teli's path: from Postgres, in Teli's row shape."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson

from service.db import Database
from service.kit.pagination import Cursors
from service.tenants.principals import Principal

BATCH = 1000
BEGINNING = b'{"success":true,"phone_numbers":['


@dataclass(frozen=True, slots=True)
class Query:
    """One user's numbers, or with `whole` those of the organisation; only what the principal may see."""

    organization_id: str
    user_id: str
    whole: bool

    def as_json(self) -> dict[str, Any]:
        return {"organization_id": self.organization_id, "user_id": self.user_id, "whole": self.whole}


class TeliListings:
    def __init__(self, database: Database, cursors: Cursors) -> None:
        self._database = database
        self._cursors = cursors

    async def page(
        self, caller: Principal, query: Query, *, limit: int, cursor: str | None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """At most `limit` rows and, where more follow, the cursor that continues."""
        after = None if cursor is None else self._cursors.open(query.as_json(), cursor)
        rows, following = await self._batch(caller, query, after, limit)
        return rows, None if following is None else self._cursors.seal(query.as_json(), following)

    async def whole(self, caller: Principal, query: Query, warnings: list[str]) -> bytes | AsyncIterator[bytes]:
        """The whole listing as one JSON object: at once, or where it is long in batches; no transaction is open while
        the caller reads.
        """
        rows, following = await self._batch(caller, query, None, BATCH)
        if following is None:
            return BEGINNING + orjson.dumps(rows)[1:-1] + _end(len(rows), warnings)
        return self._pieces(caller, query, warnings, rows, following)

    async def _pieces(
        self,
        caller: Principal,
        query: Query,
        warnings: list[str],
        rows: list[dict[str, Any]],
        following: list[str] | None,
    ) -> AsyncIterator[bytes]:
        yield BEGINNING + orjson.dumps(rows)[1:-1]
        count = len(rows)
        while following is not None:
            rows, following = await self._batch(caller, query, following, BATCH)
            yield (b"," if rows else b"") + orjson.dumps(rows)[1:-1]
            count += len(rows)
        yield _end(count, warnings)

    async def _batch(
        self, caller: Principal, query: Query, after: list[str] | None, limit: int
    ) -> tuple[list[dict[str, Any]], list[str] | None]:
        """Rows, and after which moment and id more follow."""
        ask = {
            "organization_id": query.organization_id,
            "user_id": None if query.whole else query.user_id,
            "tenant_id": None if query.whole else caller.tenant_id,
            "after": after,
            "limit": limit,
        }
        told = orjson.loads(
            await self._database.read(
                "list_numbers", ask, tenant=caller.tenant_id, sees=caller.sees, bounds=caller.bounds
            )
        )
        return told["rows"], told["next"]


def _end(count: int, warnings: list[str]) -> bytes:
    end: dict[str, Any] = {"count": count, "powered_by": "Teli"} | ({"warnings": warnings} if warnings else {})
    return b"]," + orjson.dumps(end)[1:]
