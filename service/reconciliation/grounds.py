"""What a doubt was decided on, made small enough to keep: pure.

For a person who asks later why it was decided so. The rows that could have been the doubt's, the looks that proved
its absence, what Teli counted: as zlib-compressed JSON, never above `LIMIT`; what was left out is counted.
"""

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Literal
from uuid import UUID

import orjson

from service.kit.clock import rfc3339
from service.numbers.marks import mark_of
from service.reconciliation.absence import Taken
from service.reconciliation.judgement import Doubt, Observation
from service.teli.listing import Row

# Bytes, compressed; a CHECK of the table too.
LIMIT = 64 * 1024
MOST_ROWS = 100
MOST_LOOKS = 200
MOST_TEXT = 200

Kind = Literal["seen", "only_new_row", "absent", "presumed"]


@dataclass(frozen=True, slots=True)
class Grounds:
    """`payload`: as `packed` makes it."""

    intent_id: UUID
    tenant_id: str
    kind: Kind
    payload: bytes


class Considered:
    """The rows of one look, to be asked for those that concern a doubt. Sorted once, whatever the number of doubts."""

    def __init__(self, seen: Observation) -> None:
        self._seen = seen
        self._by_user: dict[str | None, list[Row]] | None = None
        self._by_mark: dict[str, list[Row]] = defaultdict(list)
        self._by_number: dict[str, list[Row]] = defaultdict(list)

    def grounds(
        self,
        doubt: Doubt,
        kind: Kind,
        *,
        looks: Sequence[Taken] = (),
        counts: Mapping[str, Any] | None = None,
    ) -> Grounds:
        """`looks`: those that proved it. `counts`: what Teli counted, and what was known."""
        rows, left_out = self._of(doubt)
        payload = packed(
            {
                "looked_at": rfc3339(self._seen.began_at),
                "listed": len(self._seen.rows),
                "complete": self._seen.complete,
                "rows": [_told(row) for row in rows],
                "rows_left_out": left_out,
                "looks": [rfc3339(one.began_at) for one in looks if one.began_at >= doubt.ended_at][-MOST_LOOKS:],
                "counts": counts,
            }
        )
        return Grounds(doubt.id, doubt.tenant_id, kind, payload)

    def _of(self, doubt: Doubt) -> tuple[Sequence[Row], int]:
        """Those with its mark first, then those with the number its answer named, then its user's, newest first.

        And how many were left out.
        """
        if self._by_user is None:
            self._by_user = self._sorted()
        numbers = self._by_number.get(doubt.named_number, ()) if doubt.named_number else ()
        named = {row.row_id: row for row in (*self._by_mark.get(doubt.mark, ()), *numbers)}
        users = self._by_user.get(doubt.user_id, ())
        others = (row for row in users if row.row_id not in named)
        count = len(users) + sum(row.user_id != doubt.user_id for row in named.values())
        return list(islice(chain(named.values(), others), MOST_ROWS)), max(0, count - MOST_ROWS)

    def _sorted(self) -> dict[str | None, list[Row]]:
        by_user: dict[str | None, list[Row]] = defaultdict(list)
        for row in sorted(self._seen.rows, key=lambda row: row.created_at or "", reverse=True):
            by_user[row.user_id].append(row)
            self._by_number[row.phone_number].append(row)
            if (mark := mark_of(row.nickname)) is not None:
                self._by_mark[mark].append(row)
        return by_user


def packed(told: dict[str, Any]) -> bytes:
    """Compressed, with as many of its rows and looks as there is room for."""
    while len(payload := zlib.compress(orjson.dumps(told))) > LIMIT:
        rows, looks = told["rows"], told["looks"]
        kept = len(rows) // 2
        told = told | {
            "rows": rows[:kept],
            "rows_left_out": told["rows_left_out"] + len(rows) - kept,
            "looks": looks[len(looks) - len(looks) // 2 :],
        }
    return payload


def unpacked(payload: bytes) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(zlib.decompress(payload))
    return found


def _told(row: Row) -> dict[str, str | None]:
    told = {
        "row_id": row.row_id,
        "phone_number": row.phone_number,
        "user_id": row.user_id,
        "nickname": row.nickname,
        "created_at": row.created_at,
    }
    return {name: text[:MOST_TEXT] if text else text for name, text in told.items()}
