"""Which groups of an identity provider may do what here. Pure, and light to load: the settings read it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from service.kit.text import shown

RoleName = Literal["admin", "finance", "operator", "auditor"]
ROLES: tuple[RoleName, ...] = get_args(RoleName)
EVERYWHERE = ("*",)


@dataclass(frozen=True, slots=True)
class Role:
    """`organization_ids`: those that it is held in; ("*",) is all of them."""

    name: RoleName
    organization_ids: tuple[str, ...] = EVERYWHERE


def read_roles(text: str) -> dict[str, Role]:
    """The role of each group, from `{"a group": "auditor", "another": {"role": "admin", "organization_ids": […]}}`.

    Raises: ValueError, naming the group and the mend.
    """
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError('must be JSON, as in {"a group": "auditor"}') from None
    if not isinstance(given, dict) or not given:
        raise ValueError('must be a JSON object that names the role of each group, as in {"a group": "auditor"}')
    return {group: _role(f"group {shown(group)}", said) for group, said in given.items()}


def _role(group: str, said: Any) -> Role:
    fields: Mapping[str, Any] = said if isinstance(said, dict) else {"role": said}
    if unknown := fields.keys() - {"role", "organization_ids"}:
        raise ValueError(f"{group}: {shown(min(unknown))} is no field; there are role and organization_ids")
    name = fields.get("role")
    if name not in ROLES:
        raise ValueError(f"{group}: the role must be one of {', '.join(ROLES)}")
    ids = fields.get("organization_ids")
    if ids is None:
        return Role(name)
    if name != "admin":
        raise ValueError(f"{group}: organization_ids belong to an admin; {name} is for all organisations")
    if not isinstance(ids, list) or not ids or not all(isinstance(one, str) and one not in ("", "*") for one in ids):
        raise ValueError(f"{group}: organization_ids must list ids; leave it out for all organisations")
    return Role(name, tuple(ids))
