"""A tenant's tag: five characters that head its marks upstream, so that a row can be traced to its tenant."""

from service.kit.crypto import Secret, base32_text

TAG_LENGTH = 5


def make_tag(secret: Secret, tenant: str, attempt: int) -> str:
    """Derived, so that a restored gateway gives the same; another for each `attempt`, for no two tenants share one."""
    return base32_text(secret.keyed_hash("tenant tag", tenant, str(attempt)), TAG_LENGTH)
