"""Organisations, users and agents with all their ids."""

import re

from .control import SimulatorControl
from .program import Simulator
from .teli import ORGANIZATION, TENANT, USER, TeliClient

ORGANIZATIONS = "/v1/organizations"
USERS = f"{ORGANIZATIONS}/{ORGANIZATION}/users"
UNIQUE_ID = r"\d{13}x\d{18}"


async def test_the_seeded_organization_and_user_are_the_vendors_examples(teli: TeliClient) -> None:
    [organization] = (await teli.get(ORGANIZATIONS)).json()["organizations"]
    [user] = (await teli.get(USERS)).json()["users"]

    assert (organization["unique_id"], organization["tenant_id"]) == (ORGANIZATION, TENANT)
    assert user["unique_id"] == USER
    assert user["organization_id"] == organization["id"]


async def test_a_single_organization_comes_without_success(teli: TeliClient) -> None:
    answer = await teli.get(f"{ORGANIZATIONS}/{ORGANIZATION}")

    assert answer.json().keys() == {"organization", "powered_by"}
    assert (await teli.get(f"{ORGANIZATIONS}/nobody")).status_code == 404


async def test_an_organization_can_be_made_and_changed(teli: TeliClient) -> None:
    made = (await teli.post(ORGANIZATIONS, name="Acme", contact_email="a@example.com")).json()["organization"]

    await teli.patch(f"{ORGANIZATIONS}/{made['unique_id']}", status="suspended")

    assert re.fullmatch(UNIQUE_ID, made["unique_id"])
    kept = (await teli.get(f"{ORGANIZATIONS}/{made['unique_id']}")).json()["organization"]
    assert (kept["name"], kept["status"]) == ("Acme", "suspended")


async def test_a_user_can_be_made_and_changed(teli: TeliClient) -> None:
    made = (await teli.post(USERS, name="Ann", email="ann@example.com")).json()["user"]

    answer = await teli.patch(f"{USERS}/{made['unique_id']}", permission="admin")

    assert answer.json()["user"]["permission"] == "admin"
    assert (await teli.get(f"{USERS}/{made['unique_id']}")).json()["user"]["email"] == "ann@example.com"
    refused = await teli.patch(f"{USERS}/{made['unique_id']}", favourite_colour="red")
    assert refused.json()["error"] == "No valid fields to update. Allowed: name, email, permission, phone, status"


async def test_the_errors_of_a_new_user_are_bare(teli: TeliClient) -> None:
    await teli.post(USERS, name="Ann", email="ann@example.com")

    missing, taken = await teli.post(USERS, name="Bob"), await teli.post(USERS, email="ann@example.com")
    nowhere = await teli.post(f"{ORGANIZATIONS}/nobody/users", email="ann@example.com")

    assert missing.json() == {"error": "email is required"}
    assert taken.json() == {"error": "A user with email ann@example.com already exists in this organization"}
    assert (nowhere.status_code, nowhere.json()) == (404, {"error": "Organization not found"})


async def test_another_tenants_organization_is_not_found(simulator: Simulator, control: SimulatorControl) -> None:
    await control.tenant("other", "other-key")
    await control.organization("other", name="Theirs")

    async with TeliClient(simulator.url, key="other-key") as stranger:
        assert [row["name"] for row in (await stranger.get(ORGANIZATIONS)).json()["organizations"]] == ["Theirs"]
        assert (await stranger.get(USERS)).status_code == 404


async def test_an_agent_has_three_ids_and_is_found_by_each(teli: TeliClient) -> None:
    made = (await teli.post("/v1/agents", name="Front desk")).json()

    ids = [made[form] for form in ("agent_id", "unique_id", "voice_agent_id")]

    assert len(set(ids)) == 3
    assert re.fullmatch("agent_[0-9a-f]{26}", made["voice_agent_id"])
    for any_id in ids:
        assert (await teli.get(f"/v1/agents/{any_id}")).json()["agent"]["name"] == "Front desk"
    assert (await teli.get("/v1/agents")).json()["count"] == 1
