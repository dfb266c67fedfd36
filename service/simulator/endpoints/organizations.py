"""Organisations and users."""

from dataclasses import replace
from typing import Any

from service.simulator.call import Call
from service.simulator.errors import bare_refusal, refusal
from service.simulator.reply import Json, Reply, ok
from service.simulator.state.clock import shown
from service.simulator.state.directory import Organization, User
from service.simulator.state.world import World
from service.simulator.steps import Step

_USER_FIELDS = ("name", "email", "permission", "phone", "status")
_ORGANIZATION_FIELDS = ("name", "contact_email", "status")


async def list_organizations(call: Call, world: World) -> Reply:
    """All organisations of the key's tenant."""
    rows = [_organization_row(organization, world) for organization in world.directory.organizations(call.tenant_id)]
    return ok(count=len(rows), organizations=rows)


async def get_organization(call: Call, world: World) -> Reply:
    """One organisation. The documented answer has no `success`."""
    return Reply(200, {"organization": _organization_row(_organization(call, world), world), "powered_by": "Teli"})


async def create_organization(call: Call, world: World) -> Reply:
    """Add an organisation."""
    name, email = call.text("name"), call.text("contact_email")
    if name is None or email is None:
        raise refusal(400, "name and contact_email required")
    made = world.directory.add_organization(call.tenant_id, world.clock.now(), name=name, contact_email=email)
    await call.reached(Step.recorded)
    return ok(organization=_organization_row(made, world))


async def update_organization(call: Call, world: World) -> Reply:
    """Change an organisation."""
    organization = _organization(call, world)
    changes: dict[str, Any] = {name: str(call.fields[name]) for name in _ORGANIZATION_FIELDS if name in call.fields}
    if not changes:
        raise refusal(400, f"No valid fields to update. Allowed: {', '.join(_ORGANIZATION_FIELDS)}")
    changed = replace(organization, modified_at=world.clock.now(), **changes)
    world.directory.change_organization(changed)
    await call.reached(Step.recorded)
    return ok(message="Organization updated", organization=_organization_row(changed, world))


async def list_users(call: Call, world: World) -> Reply:
    """All users of an organisation."""
    organization = _organization(call, world)
    rows = [_user_row(user, organization, world) for user in world.directory.users(organization.unique_id)]
    return ok(count=len(rows), users=rows)


async def get_user(call: Call, world: World) -> Reply:
    """One user."""
    organization = _organization(call, world)
    return ok(user=_user_row(_user(call, world, organization), organization, world))


async def create_user(call: Call, world: World) -> Reply:
    """Add a user. The three errors of this page are bare."""
    organization = _organization(call, world)
    email, phone = call.text("email"), call.text("phone")
    if email is None:
        raise bare_refusal(400, "email is required")
    if world.directory.has_email(organization.unique_id, email):
        raise bare_refusal(409, f"A user with email {email} already exists in this organization")
    made = world.directory.add_user(
        organization,
        world.clock.now(),
        name=call.text("name") or email,
        email=email,
        phone=phone,
        permission=call.text("permission") or "user",
    )
    await call.reached(Step.recorded)
    return ok(user=_user_row(made, organization, world))


async def update_user(call: Call, world: World) -> Reply:
    """Change a user."""
    organization = _organization(call, world)
    user = _user(call, world, organization)
    changes: dict[str, Any] = {name: str(call.fields[name]) for name in _USER_FIELDS if name in call.fields}
    if not changes:
        raise refusal(400, f"No valid fields to update. Allowed: {', '.join(_USER_FIELDS)}")
    changed = replace(user, modified_at=world.clock.now(), **changes)
    world.directory.change_user(changed)
    await call.reached(Step.recorded)
    return ok(message="User updated", user=_user_row(changed, organization, world))


def _organization(call: Call, world: World) -> Organization:
    organization = world.directory.organization(call.path["organization_id"])
    if organization is None or organization.tenant_id != call.tenant_id:
        raise bare_refusal(404, "Organization not found")
    return organization


def _user(call: Call, world: World, organization: Organization) -> User:
    user = world.directory.user(call.path["user_id"])
    if user is None or user.organization_id != organization.unique_id:
        raise refusal(404, "User not found")
    return user


def _organization_row(organization: Organization, world: World) -> Json:
    time_format = world.switches.time_format
    return {
        "unique_id": organization.unique_id,
        "id": organization.id,
        "name": organization.name,
        "organization_name": organization.name,
        "tenant_id": organization.tenant_id,
        "status": organization.status,
        "contact_email": organization.contact_email,
        "sms_active": True,
        "teli_sms_number": None,
        "sms_phone_number": None,
        "sms_registration_status": "approved",
        "created_at": shown(organization.created_at, "naive", time_format),
        "modified_at": shown(organization.modified_at, "naive", time_format),
        "updated_at": shown(organization.modified_at, "offset", time_format),
    }


def _user_row(user: User, organization: Organization, world: World) -> Json:
    time_format = world.switches.time_format
    by_uuid = world.switches.id_form_users == "uuid"
    return {
        "unique_id": user.unique_id,
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "phone": user.phone,
        "permission": user.permission,
        "organization_id": organization.id if by_uuid else organization.unique_id,
        "tenant_id": user.tenant_id,
        "status": user.status,
        "is_teli_admin": False,
        "created_at": shown(user.created_at, "naive", time_format),
        "modified_at": shown(user.modified_at, "naive", time_format),
        "updated_at": shown(user.modified_at, "offset", time_format),
    }
