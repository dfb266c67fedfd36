"""`numbergate audit verify`: the chain, straight from the database or from an export, and never through the gateway."""

import asyncio
import json as jsonlib
import logging
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service.audit.chain import Link, Verification, canonical, read
from service.audit.log import Unchained, last_link, links, unchained
from service.cli.faults import settings_or_exit
from service.cli.ledger import CannotVerify, ledger
from service.cli.words import count_of, fit
from service.settings import DatabaseSettings

TAMPERED, NOT_VERIFIED = 1, 2
# However the log was wrapped on its way: as JSON, as JSON inside of JSON, or as a line for people.
LOGGED = re.compile(rb"audit head\b")
LOGGED_SEQ = re.compile(rb'\bseq\\*"?[=:] *([0-9]{1,18})\b')
LOGGED_HASH = re.compile(rb'\bhash\\*"?[=:] *\\*"?([0-9a-f]{64})\b')
SHOWN_EVERY = 500
DIGEST = re.compile("[0-9a-f]{64}")
Heads = Mapping[int, frozenset[bytes]]


def run_verify(
    *, heads: list[str], logs: list[Path], since: str | None, file: Path | None, partial: bool, json: bool
) -> int:
    """Returns the exit code: 0 where all is well, 1 where something was tampered with, 2 where that is not known."""
    logging.getLogger("service").addHandler(logging.NullHandler())
    try:
        kept = _heads(heads, logs)
        if logs and not kept:
            raise CannotVerify("--from-log: there is no audit head in it; the worker logs them at the level info")
        verification = Verification(heads=kept, partial=partial)
        if since is not None:
            verification.head = _head(since, "--since")
        found = _verify_file(verification, file) if file is not None else asyncio.run(_verify_database(verification))
    except CannotVerify as error:
        print(f"numbergate: {error}", file=sys.stderr)
        return NOT_VERIFIED
    _tell_json(verification, found) if json else _tell(verification, found, of_file=file is not None)
    return TAMPERED if verification.fault_count else 0


def _heads(given: list[str], logs: list[Path]) -> Heads:
    found: dict[int, set[bytes]] = defaultdict(set)
    for one in given:
        seq, digest = _head(one, "--head")
        found[seq].add(digest)
    for path in logs:
        with _opened(path, "--from-log") as lines:
            for line in lines:
                if (
                    LOGGED.search(line)
                    and (at := LOGGED_SEQ.search(line))
                    and (hexadecimal := LOGGED_HASH.search(line))
                ):
                    found[int(at[1])].add(bytes.fromhex(hexadecimal[1].decode()))
    return {seq: frozenset(digests) for seq, digests in found.items()}


def _head(text: str, option: str) -> tuple[int, bytes]:
    seq, _, digest = text.strip().partition(":")
    if not (seq.isascii() and seq.isdigit() and 0 < len(seq) <= 18 and int(seq) and DIGEST.fullmatch(digest)):
        raise CannotVerify(f"{option}: must look like 4711:hash, the hash of 64 hexadecimal digits in lower case")
    return int(seq), bytes.fromhex(digest)


@contextmanager
def _opened(path: Path, option: str) -> Iterator[BinaryIO]:
    try:
        if str(path) == "-":
            yield sys.stdin.buffer
        else:
            with path.open("rb") as file:
                yield file
    except OSError as error:
        raise CannotVerify(f"{option}: {path}: {error.strerror or error}") from None


def _verify_file(verification: Verification, path: Path) -> Unchained:
    waiting = 0
    with _opened(path, "--file") as lines, _progress() as bar:
        task = bar.add_task("verifying", total=None)
        for number, line in enumerate(lines, 1):
            try:
                link = _link_of(line)
            except (ValueError, RecursionError) as error:
                verification.unreadable(f"line {number}", str(error) or "is no line of an export")
                continue
            if link is None:
                waiting += 1
            else:
                verification.take(link)
            if number % SHOWN_EVERY == 0:
                bar.update(task, completed=number)
    verification.finish()
    if not verification.checked and not verification.fault_count:
        why = f"{count_of(waiting, 'row is', 'rows are')} not chained yet" if waiting else "it is empty"
        raise CannotVerify(f"--file: {path}: there is nothing to verify: {why}")
    return Unchained(waiting, None, 0, None)


def _link_of(line: bytes) -> Link | None:
    """None for a row that was not chained yet. Raises: ValueError."""
    try:
        found = read(line)
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    except jsonlib.JSONDecodeError:
        raise ValueError("is no JSON") from None
    if not isinstance(found, dict) or not isinstance(found.get("entry"), dict):
        raise ValueError("is no line of an export")
    entry = found["entry"]
    if found.get("seq") is None and found.get("hash") is None:
        return None
    seq, audit_id = (str(one.get(name, "")) for one, name in ((found, "seq"), (entry, "id")))
    hashes = [found.get(name) for name in ("hash", "previous_hash")]
    if not all(one.isascii() and one.isdigit() and len(one) <= 18 for one in (seq, audit_id)):
        raise ValueError("has no seq, or its entry no id")
    if not all(isinstance(one, str) and DIGEST.fullmatch(one) for one in hashes):
        raise ValueError("has no hash, or no previous_hash")
    digest, previous = (bytes.fromhex(str(one)) for one in hashes)
    return Link(int(seq), int(audit_id), digest, canonical(entry), previous)


async def _verify_database(verification: Verification) -> Unchained:
    settings = settings_or_exit(DatabaseSettings)
    async with ledger(settings.database_url.get_secret_value()) as database:
        last, after = await last_link(database), verification.head[0]
        with _progress() as bar:
            task = bar.add_task("verifying", total=max(0, last - after))
            async for link in links(database, after=after):
                verification.take(link)
                if verification.checked % SHOWN_EVERY == 0:
                    bar.update(task, completed=verification.checked)
        verification.finish()
        found = await unchained(database)
    if found.first_passed is not None:
        verification.bypassed(found.first_passed, found.passed)
    return found


def _tell(verification: Verification, found: Unchained, *, of_file: bool) -> None:
    seq, digest = verification.head
    for fault in verification.faults[:1]:
        at = f"at {fault.seq}" if fault.seq is not None else "in the log"
        row = f", audit row {fault.audit_id}" if fault.audit_id is not None else ""
        found_out = "INCOMPLETE" if verification.only_gaps and of_file else "TAMPERED WITH"
        print(f"{found_out} {at}{row}: {fault.kind}: {fit(fault.told)}.")
    for fault in verification.faults[1:]:
        print(f"  also {fault.seq or ''} {fault.kind}: {fit(fault.told)}.")
    if verification.fault_count > len(verification.faults):
        print(f"  and {verification.fault_count - len(verification.faults)} more.")
    if verification.only_gaps and of_file:
        print(
            "What is there is good. If this export was filtered, verify it with --partial; else links were taken out."
        )
    of = "links" if not verification.partial else "links, of a choice: what is left out is not verified"
    print(f"{verification.checked} {of}; head {seq}:{digest.hex()}.")
    if verification.heads:
        met = f"{verification.heads_met} of {count_of(len(verification.heads), 'head')} that were kept outside"
        print(f"{met} stood in what was verified.")
    else:
        print("No head was given: a chain written anew as a whole, or cut off at its end, would look the same.")
    if found.waiting - found.passed > 0:
        since = f", the oldest since {found.since:%Y-%m-%d %H:%M:%S} UTC" if found.since is not None else ""
        print(f"{count_of(found.waiting - found.passed, 'row is', 'rows are')} not chained yet{since}.")


def _tell_json(verification: Verification, found: Unchained) -> None:
    seq, digest = verification.head
    faults: Iterable[dict[str, Any]] = (
        {"kind": one.kind, "seq": one.seq, "audit_id": one.audit_id, "detail": one.told} for one in verification.faults
    )
    told = {
        "ok": verification.fault_count == 0,
        "checked": verification.checked,
        "head": f"{seq}:{digest.hex()}",
        "heads_given": len(verification.heads),
        "heads_met": verification.heads_met,
        "not_chained": found.waiting - found.passed,
        "faults": list(faults),
        "fault_count": verification.fault_count,
        "only_gaps": verification.only_gaps,
    }
    print(jsonlib.dumps(told))


def _progress() -> Progress:
    """On stderr, and only at a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
