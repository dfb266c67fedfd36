"""Writing the audit log, always in the transaction of the change it tells of."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.actions import Action, ObjectKind
from service.audit.models import AuditEntry


def note(
    session: AsyncSession,
    *,
    actor: str,
    action: Action,
    of: tuple[ObjectKind, str],
    tenant: str | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    request_id: str | None = None,
) -> None:
    """Who did what to which object (`of`: its kind and id), and how it stood before and after. Never a secret."""
    session.add(
        AuditEntry(
            tenant_id=tenant,
            actor=actor,
            action=action,
            object_kind=of[0],
            object_id=of[1],
            before=before,
            after=after,
            request_id=request_id,
        )
    )
