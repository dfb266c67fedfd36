"""Sessions of people: short, kept as rows, so that they can be ended; the cookie holds nothing but chance."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.actions import Action
from service.audit.entries import note
from service.db import Database
from service.kit.clock import rfc3339, utc_now
from service.kit.crypto import Secret
from service.kit.errors import NotFound
from service.kit.types import new_id
from service.tenants.administration import Author
from service.tenants.models import AnsweredLogin, LoginSession
from service.tenants.version import bump

PREFIX = "ngs_"
# What cannot be one costs no look into the ledger.
FORM = re.compile(r"ngs_[\w-]{43}", re.ASCII)
PRESENT = text("SELECT set_config('numbergate.session', :hash, true)")
# By the database's clock alone, so that replicas agree.
SEEN = text("""
    UPDATE sessions SET seen_at = clock_timestamp()
    WHERE hash = :hash AND ended_at IS NULL
      AND expires_at > clock_timestamp() AND seen_at > clock_timestamp() - CAST(:idle AS interval)
    RETURNING issuer, subject, groups, expires_at
""")
END = text("""
    UPDATE sessions SET ended_at = clock_timestamp() WHERE hash = :hash AND ended_at IS NULL RETURNING id
""")


@dataclass(frozen=True, slots=True)
class Vouched:
    """Whom the provider vouches for."""

    issuer: str
    subject: str
    groups: Sequence[str]
    expires_at: datetime


class Sessions:
    """`lifetime` and `idle` in seconds: how long a session lasts at most, and without a request."""

    def __init__(self, database: Database, secret: Secret, *, lifetime: float, idle: float) -> None:
        self._database = database
        self._secret = secret
        self.lifetime = timedelta(seconds=lifetime)
        self._idle = timedelta(seconds=idle)

    def hash_of(self, value: str) -> bytes:
        return self._secret.keyed_hash("session", value)

    async def answered(self, state: str, *, until: float) -> bool:
        """Note that a login's answer came. Returns whether it is the first.

        `until`: when the login ends by itself, in seconds since 1970. Raises: StorageUnavailable.
        """
        noted = insert(AnsweredLogin).values(
            hash=self._secret.keyed_hash("login state", state), expires_at=datetime.fromtimestamp(until, UTC)
        )
        async with self._database.acting(duty="admin") as session:
            # The first to insert it has it, on whichever replica.
            done = await session.execute(noted.on_conflict_do_nothing())
            assert isinstance(done, CursorResult)
            return done.rowcount == 1

    async def begin(self, issuer: str, subject: str, groups: Sequence[str], *, actor: str, request_id: str) -> str:
        """The value of a new session's cookie; it is kept nowhere."""
        value = PREFIX + secrets.token_urlsafe(32)
        begun = LoginSession(
            id=new_id(),
            hash=self.hash_of(value),
            issuer=issuer,
            subject=subject,
            groups=list(groups),
            expires_at=utc_now() + self.lifetime,
        )
        async with self._database.acting(duty="admin") as session:
            session.add(begun)
            self._note(session, actor, "session.begun", begun.id, request_id, {"groups": list(groups)})
        return value

    async def seen(self, value: str) -> Vouched | None:
        """Whose session this is, which is in use from now on; None where it is over, or was never begun."""
        hashed = self.hash_of(value)
        async with self._database.acting() as session:
            # Row-level security shows whom this names, and nobody else.
            await session.execute(PRESENT, {"hash": hashed.hex()})
            row = (await session.execute(SEEN, {"hash": hashed, "idle": self._idle})).one_or_none()
        return None if row is None else Vouched(*row)

    async def end(self, value: str, *, actor: str, request_id: str) -> None:
        """In force on every replica within a second."""
        async with self._database.acting(duty="admin", by_itself=True) as session:
            ended = (await session.execute(END, {"hash": self.hash_of(value)})).scalar_one_or_none()
            if ended is not None:
                self._note(session, actor, "session.ended", ended, request_id, None)
                await bump(session)

    async def end_for(self, author: Author, session_id: UUID) -> None:
        """End somebody's, in force on every replica within a second. Ending it again changes nothing.

        Raises: NotFound.
        """
        async with self._database.acting(duty="admin") as session:
            found = await session.get(LoginSession, session_id, with_for_update=True)
            if found is None:
                raise NotFound("There is no such session.")
            if found.ended_at is None:
                found.ended_at = utc_now()
                was = {"person": person(found.issuer, found.subject), "ended_at": None}
                becomes = was | {"ended_at": rfc3339(found.ended_at)}
                self._note(session, author.actor, "session.ended", session_id, author.request_id, becomes, was)
                await bump(session)

    def _note(
        self,
        session: AsyncSession,
        actor: str,
        action: Action,
        which: UUID,
        request_id: str | None,
        after: dict[str, Any] | None,
        before: dict[str, Any] | None = None,
    ) -> None:
        note(
            session, actor=actor, action=action, of=("session", str(which)), before=before, after=after,
            request_id=request_id,
        )  # fmt: skip


def person(issuer: str, subject: str) -> str:
    """As the audit log names whoever logged in."""
    return f"person:{issuer}|{subject}"
