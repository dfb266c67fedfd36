"""The hash chain over the audit log, and its verification: pure, and the only place that knows how a row is hashed.

The hash of a link is SHA-256 over the hash of the link before it (32 bytes, zeros before the first) and the canonical
form of its row. That is JSON as RFC 8785 (JCS) has it: UTF-8, members sorted by their UTF-16 code units, no white
space, the shortest escapes. One thing differs: numbers keep every digit, as a ledger's must, so they are written in
plain decimals, without exponent, without zeros that say nothing (1.50 is 1.5, -0 is 0). A row has always the members
`id`, `at` (UTC, six digits of a second, `Z`), `tenant_id`, `actor`, `action`, `object_kind`, `object_id`, `before`,
`after` and `request_id`; what it has not is null.

The hash is not keyed, so that whoever has an export can verify it without a secret. Whoever may write the whole
database can therefore write a whole new chain. That is found by heads (a place and its hash) that were kept outside.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

GENESIS = bytes(32)
DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
MOST_TOLD = 20

Kind = Literal[
    "edited", "deleted", "swapped", "unlinked", "link_edited", "out_of_place", "rewritten", "truncated", "bypassed",
    "unreadable",
]  # fmt: skip


class Number(str):
    """A number as it was written."""


def read(text: str | bytes) -> Any:
    """JSON without any loss. Raises: ValueError."""
    try:
        return json.loads(
            text, parse_int=Number, parse_float=Number, parse_constant=_no_number, object_pairs_hook=_object
        )
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def canonical(value: Any) -> bytes:
    """Of what `read` gave. Raises: ValueError for an unpaired surrogate, or a number with an exponent."""
    return _written(value).encode()


def link_hash(previous: bytes, entry: bytes) -> bytes:
    return sha256(previous + entry).digest()


def _written(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case Number():
            return _decimal(value)
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list():
            return f"[{','.join(map(_written, value))}]"
        case dict():
            members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be", "surrogatepass"))
            return f"{{{','.join(f'{json.dumps(name, ensure_ascii=False)}:{_written(one)}' for name, one in members)}}}"
    raise ValueError(f"{type(value).__name__} is no JSON")


def _decimal(number: Number) -> str:
    if not DECIMAL.fullmatch(number):
        raise ValueError("has a number with an exponent")
    plain = number.rstrip("0").rstrip(".") if "." in number else str(number)
    return "0" if plain == "-0" else plain


def _no_number(name: str) -> Any:
    raise ValueError(f"has {name}, which is no number")


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("names a member twice")
    return found


@dataclass(frozen=True, slots=True)
class Link:
    """A link and the canonical form of its row, None where there is no such row.

    `previous`: the hash before it, where the source tells it.
    """

    seq: int
    audit_id: int
    hash: bytes
    entry: bytes | None
    previous: bytes | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """`seq` is the first place that it is about, `audit_id` the row that stands or stood there, where that is known."""

    kind: Kind
    seq: int | None
    audit_id: int | None
    told: str


@dataclass(slots=True)
class Verification:
    """Links are taken one after another, in the order of `seq`; nothing is kept of those that are good.

    `heads`: hashes that were kept outside, by place. `head`: where it has come to; to begin with a head that was
    verified before is to verify what came after it. `partial`: what is taken is a choice of links, so that gaps say
    nothing, and each must tell the hash before it. The first fault is that of the first bad place.
    """

    heads: Mapping[int, frozenset[bytes]] = field(default_factory=dict)
    head: tuple[int, bytes] = (0, GENESIS)
    partial: bool = False
    checked: int = 0
    heads_met: int = 0
    faults: list[Fault] = field(default_factory=list)
    fault_count: int = 0
    gap_count: int = 0
    _suspect: tuple[Link, bytes, bytes] | None = None

    @property
    def only_gaps(self) -> bool:
        """Nothing is wrong but that links are missing, as in an export that was filtered."""
        return 0 < self.fault_count == self.gap_count

    def take(self, link: Link) -> None:
        self.checked += 1
        last, previous = self.head
        if link.seq <= last:
            self._out_of_place(link)
            return
        known: bytes | None = previous
        if link.seq != last + 1:
            known = link.previous
            if known is None or not self.partial:
                self._gap(last + 1, link)
        elif link.previous is not None and link.previous != previous:
            self._add(
                Fault("link_edited", link.seq, link.audit_id, "the hash before it is not that of the link before")
            )
        self._check_row(link, known)
        if link.seq in self.heads:
            self.heads_met += 1
            if link.hash not in self.heads[link.seq]:
                told = "the hash here is not the one that was kept outside: the chain was written anew, here or before"
                self._add(Fault("rewritten", link.seq, link.audit_id, told))
        self.head = (link.seq, link.hash)

    def unreadable(self, where: str, why: str) -> None:
        """Something stands where a link should, and cannot be read."""
        self._add(Fault("unreadable", self.head[0] + 1, None, f"{where} {why}"))

    def bypassed(self, audit_id: int, count: int) -> None:
        """Rows without a link stand before the place up to which everything was chained; `audit_id` is the first."""
        told = f"{count} rows have no link, though the chain has passed them: links were removed, or rows forged"
        self._add(Fault("bypassed", None, audit_id, told))

    def finish(self) -> None:
        last = self.head[0]
        lost = [seq for seq in self.heads if seq > last]
        if lost and not self.partial:
            told = f"the chain ends before {max(lost)}, whose hash was kept outside: its end was cut off"
            self._add(Fault("truncated", last + 1, None, told))

    def _check_row(self, link: Link, previous: bytes | None) -> None:
        self._look_back(link)
        if link.entry is None:
            self._add(Fault("deleted", link.seq, link.audit_id, "its row is gone"))
        elif previous is not None and (made := link_hash(previous, link.entry)) != link.hash:
            if self._suspect is None and not self.faults:
                self._suspect = (link, previous, made)
            self._add(Fault("edited", link.seq, link.audit_id, "its row is not the one that was chained"))

    def _look_back(self, link: Link) -> None:
        """What comes later may tell what is wrong with the first bad place."""
        if self._suspect is None or link.entry is None:
            return
        first, previous, made = self._suspect
        if link_hash(previous, link.entry) in (first.hash, link.hash):
            told = f"the row that belongs here stands at {link.seq}"
            self.faults[0] = Fault("swapped", first.seq, first.audit_id, told)
            self._suspect = None
        elif link.seq == first.seq + 1 and link_hash(made, link.entry) == link.hash:
            told = "its row is good, and the hash in its link is not"
            self.faults[0] = Fault("link_edited", first.seq, first.audit_id, told)
            self._suspect = None

    def _gap(self, first: int, link: Link) -> None:
        missing = f"link {first} is" if link.seq == first + 1 else f"links {first} to {link.seq - 1} are"
        self._add(Fault("unlinked", first, None, f"{missing} missing"))
        self.gap_count += 1

    def _out_of_place(self, link: Link) -> None:
        for place, fault in enumerate(self.faults):
            if fault.kind == "unlinked" and fault.seq == link.seq:
                told = f"this link stands after {self.head[0]}"
                self.faults[place] = Fault("swapped", link.seq, link.audit_id, told)
                self.gap_count -= 1
                return
        self._add(Fault("out_of_place", link.seq, link.audit_id, f"it stands after {self.head[0]}"))

    def _add(self, fault: Fault) -> None:
        self.fault_count += 1
        if len(self.faults) < MOST_TOLD:
            self.faults.append(fault)
