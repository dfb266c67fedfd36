"""Chains made in memory, and every way there is to tamper with one."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from random import Random

import orjson

from service.audit.chain import GENESIS, Kind, Link, Verification, canonical, link_hash, read

Chain = list[Link]
MEMBERS = ("at", "tenant_id", "actor", "action", "object_kind", "object_id", "before", "after", "request_id")


@cache
def entry_of(audit_id: int) -> bytes:
    """Of one id always the same."""
    chance = Random(audit_id)
    row = {
        name: chance.choice([None, "x", f"ü{chance.random()}", {"n": chance.random(), "l": [1, None]}])
        for name in MEMBERS
    }
    return canonical(read(orjson.dumps({"id": audit_id, **row})))


def chained(entries: list[tuple[int, bytes]]) -> Chain:
    links, previous = [], GENESIS
    for seq, (audit_id, entry) in enumerate(entries, 1):
        digest = link_hash(previous, entry)
        links.append(Link(seq, audit_id, digest, entry, previous))
        previous = digest
    return links


def made(chance: Random, length: int) -> Chain:
    ids = chance.sample(range(1, 300), length)  # Not in order: rows are chained as they commit.
    return chained([(one, entry_of(one)) for one in ids])


def stored(chain: Chain) -> Chain:
    """As the database has it: a link does not tell the hash before it, and the order is that of `seq`."""
    return sorted((replace(link, previous=None) for link in chain), key=lambda link: link.seq)


def verified(chain: Chain, *heads: tuple[int, bytes], **more: object) -> Verification:
    verification = Verification(heads={seq: frozenset([digest]) for seq, digest in heads}, **more)
    for link in chain:
        verification.take(link)
    verification.finish()
    return verification


# Each gives the chain that is left, the first bad place, and what must be said of it.
Tampered = tuple[Chain, int, set[Kind]]
Tampering = Callable[[Chain, Random], Tampered]


def edits_a_row(chain: Chain, chance: Random) -> Tampered:
    at = chance.randrange(len(chain))
    row = orjson.loads(chain[at].entry or b"")
    name = chance.choice(MEMBERS)
    row[name] = f"{row[name]}!" if chance.random() < 0.7 else {"was": row[name]}
    return _with(chain, at, entry=canonical(read(orjson.dumps(row)))), at + 1, {"edited"}


def flips_a_bit_of_a_row(chain: Chain, chance: Random) -> Tampered:
    at = chance.randrange(len(chain))
    entry = bytearray(chain[at].entry or b"")
    entry[chance.randrange(len(entry))] ^= 1 << chance.randrange(8)
    return _with(chain, at, entry=bytes(entry)), at + 1, {"edited"}


def flips_a_bit_of_a_hash(chain: Chain, chance: Random) -> Tampered:
    at = chance.randrange(len(chain))
    digest = bytearray(chain[at].hash)
    digest[chance.randrange(32)] ^= 1 << chance.randrange(8)
    last = at == len(chain) - 1  # Then nothing tells the two apart.
    return _with(chain, at, hash=bytes(digest)), at + 1, {"edited"} if last else {"link_edited"}


def deletes_a_row(chain: Chain, chance: Random) -> Tampered:
    at = chance.randrange(len(chain))
    return _with(chain, at, entry=None), at + 1, {"deleted"}


def deletes_a_link(chain: Chain, chance: Random) -> Tampered:
    at = chance.randrange(len(chain) - 1)  # The last one is a truncation.
    return chain[:at] + chain[at + 1 :], at + 1, {"unlinked"}


def swaps_two_rows(chain: Chain, chance: Random) -> Tampered:
    first, second = sorted(chance.sample(range(len(chain)), 2))
    one, other = chain[first], chain[second]
    swapped = _with(chain, first, entry=other.entry, audit_id=other.audit_id)
    return _with(swapped, second, entry=one.entry, audit_id=one.audit_id), first + 1, {"swapped"}


def swaps_two_links(chain: Chain, chance: Random) -> Tampered:
    first, second = sorted(chance.sample(range(len(chain)), 2))
    swapped = list(chain)
    swapped[first] = replace(chain[second], seq=first + 1)
    swapped[second] = replace(chain[first], seq=second + 1)
    return swapped, first + 1, {"swapped"}


def moves_a_link(chain: Chain, chance: Random) -> Tampered:
    """In a file: a line stands further down than it should."""
    first, second = sorted(chance.sample(range(len(chain)), 2))
    moved = list(chain)
    moved.insert(second, moved.pop(first))
    return moved, first + 1, {"swapped"}


def repeats_a_link(chain: Chain, chance: Random) -> Tampered:
    at = chance.randrange(len(chain))
    return [*chain[: at + 1], chain[at], *chain[at + 1 :]], at + 1, {"out_of_place"}


def _with(chain: Chain, at: int, **changes: object) -> Chain:
    changed = list(chain)
    changed[at] = replace(chain[at], **changes)
    return changed


IN_STORE: tuple[Tampering, ...] = (
    edits_a_row, flips_a_bit_of_a_row, flips_a_bit_of_a_hash, deletes_a_row, deletes_a_link, swaps_two_rows,
    swaps_two_links,
)  # fmt: skip
IN_A_FILE: tuple[Tampering, ...] = (
    edits_a_row, flips_a_bit_of_a_row, flips_a_bit_of_a_hash, deletes_a_link, swaps_two_rows, moves_a_link,
    repeats_a_link,
)  # fmt: skip
