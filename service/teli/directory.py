"""Teli's organisations and users, each with both forms of its id."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from service.teli.heard import Heard
from service.teli.listing import read_count


@dataclass(frozen=True, slots=True)
class TeliUser:
    """`unique_id` goes into requests; rows may carry the `uuid` instead."""

    unique_id: str
    uuid: str | None
    name: str | None
    email: str | None


@dataclass(frozen=True, slots=True)
class TeliOrganization:
    unique_id: str
    uuid: str | None
    name: str | None


def read_users(heard: Heard) -> list[TeliUser] | None:
    """The users of an organisation; none where Teli knows no such organisation; None where it cannot be read."""
    if heard.kind == "answer" and heard.status == 404:
        return []
    rows = _rows(heard, "users")
    if rows is None:
        return None
    return [
        TeliUser(unique_id, _text(row.get("id")), _text(row.get("name")), _text(row.get("email")))
        for unique_id, row in rows
    ]


def read_organizations(heard: Heard) -> list[TeliOrganization] | None:
    """The organisations of the account, or None where the answer cannot be read."""
    rows = _rows(heard, "organizations")
    if rows is None:
        return None
    return [
        TeliOrganization(unique_id, _text(row.get("id")), _text(row.get("name")) or _text(row.get("organization_name")))
        for unique_id, row in rows
    ]


def _rows(heard: Heard, member: str) -> list[tuple[str, dict[str, Any]]] | None:
    if heard.kind != "answer" or heard.status is None or not 200 <= heard.status < 300:
        return None
    body = heard.object()
    listed = body.get(member)
    if body.get("success") is False or not isinstance(listed, list):
        return None
    if "count" in body and read_count(body["count"]) != len(listed):
        return None  # Some are missing, and a listing that is short proves nobody's absence.
    return list(_named(listed))


def _named(listed: list[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in listed:
        if isinstance(row, dict) and (unique_id := _text(row.get("unique_id"))):
            yield unique_id, row


def _text(value: Any) -> str | None:
    return value.replace("\x00", "").encode(errors="replace").decode()[:500] or None if isinstance(value, str) else None
