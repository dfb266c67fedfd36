"""An administrator at work: tenants, keys, limits, policies, webhooks, and who changed what."""

import re
from uuid import uuid4

from playwright.sync_api import expect

from tests.browser.person import Enter, Person
from tests.browser.stack import Stack

MARKUP = "<img src=x onerror=alert(1)>'\""


def form(person: Person, heading: str):
    return person.page.locator("form").filter(has=person.page.get_by_role("heading", name=heading))


def adds_a_tenant(person: Person, name: str, organization: str) -> str:
    tenant_id = f"tenant-{uuid4().hex[:8]}"
    person.goes("/console/tenants")
    adding = form(person, "Add a tenant")
    adding.get_by_label("Id", exact=True).fill(tenant_id)
    adding.get_by_label("Name").fill(name)
    adding.get_by_label("Organisations").fill(organization)
    person.sends(adding, "Add")
    expect(person.page).to_have_url(re.compile(f"/console/tenants/{tenant_id}$"))
    return tenant_id


def test_a_new_service_is_given_a_tenant_and_a_key_that_works_and_is_shown_once(enter: Enter, stack: Stack):
    person = enter("admin")
    tenant_id = adds_a_tenant(person, MARKUP, stack.ready["organization_id"])
    expect(person.page.get_by_role("heading", level=1)).to_contain_text(MARKUP)

    issuing = form(person, "Issue a key")
    issuing.get_by_label("Name").fill("browser")
    issuing.get_by_role("button", name="Issue").click()
    key = issuing.locator("pre").inner_text()
    issuing.get_by_role("button", name="Copy", exact=True).click()
    expect(issuing.get_by_role("button", name="Copied")).to_be_visible()
    assert person.page.evaluate("navigator.clipboard.readText()") == key

    asked = stack.tenant.get("/v1/me", headers={"X-API-Key": key})
    assert asked.json()["tenant_id"] == tenant_id
    assert asked.json()["scopes"] == ["numbers:create", "numbers:read"]
    person.goes(f"/console/tenants/{tenant_id}")
    assert key not in person.page.content()
    person.assert_sound_everywhere(f"/console/tenants/{tenant_id}")


def test_a_key_is_revoked_once_it_is_confirmed(enter: Enter, stack: Stack):
    person = enter("admin")
    tenant_id = adds_a_tenant(person, "Revoked", stack.ready["organization_id"])
    stack.admin.post(f"/v1/admin/tenants/{tenant_id}/keys", json={"name": "old", "scopes": ["numbers:read"]})
    person.goes(f"/console/keys?tenant_id={tenant_id}")

    person.page.get_by_role("button", name="Revoke").click()
    person.page.get_by_role("button", name="Leave it").click()
    assert stack.admin.get("/v1/admin/keys", params={"tenant_id": tenant_id}).json()["items"][0]["state"] == "good"
    person.page.get_by_role("button", name="Revoke").click()
    with person.page.expect_navigation():
        person.page.get_by_role("button", name="Go on").click()

    expect(person.page.get_by_text("Revoked.")).to_be_visible()
    assert stack.admin.get("/v1/admin/keys", params={"tenant_id": tenant_id}).json()["items"][0]["state"] == "revoked"
    person.assert_sound_everywhere(f"/console/keys?tenant_id={tenant_id}")


def test_a_limit_that_is_wrong_is_told_beside_its_field_and_what_was_typed_stays(enter: Enter, stack: Stack):
    person = enter("admin")
    tenant_id = adds_a_tenant(person, "Limited", stack.ready["organization_id"])
    person.page.get_by_text("Change the limits").click()
    limits = person.page.locator("form[data-api$=quotas]")
    limits.get_by_label("numbers held").fill("-3")
    limits.get_by_label("spend per month").fill("250.50")
    limits.get_by_role("button", name="Set the limits").click()

    expect(limits.locator(".wrong")).to_have_text("must be 0 or more")
    expect(limits.get_by_role("alert")).to_have_text("Nothing was done: see beside the fields.")
    expect(limits.get_by_label("numbers held")).to_be_focused()
    person.assert_page_is_sound()
    limits.get_by_label("numbers held").fill("3")
    for typed, told in (("a lot", "must be an amount, as 12.50"), ("-2", "must be 0.00 or more")):
        limits.get_by_label("spend per month").fill(typed)
        limits.get_by_role("button", name="Set the limits").click()
        expect(limits.locator(".wrong")).to_contain_text(told)
    limits.get_by_label("spend per month").fill("250.50")
    person.sends(limits, "Set the limits")

    said = stack.admin.get(f"/v1/admin/tenants/{tenant_id}/quotas").json()
    assert (said["numbers_held"], said["spend_per_month"]) == (3, 250_500_000)


def test_what_was_typed_is_kept_when_the_session_ended_and_sent_after_a_login_in_another_tab(
    enter: Enter, stack: Stack
):
    person = enter("admin")
    tenant_id = adds_a_tenant(person, "Kept", stack.ready["organization_id"])
    for session in stack.admin.get("/v1/admin/sessions").json()["items"]:
        stack.admin.delete(f"/v1/admin/sessions/{session['id']}")
    person.page.get_by_text("Change name or organisations").click()
    changing = person.page.locator("form").filter(has=person.page.get_by_role("button", name="Change", exact=True))
    changing.get_by_label("Name").fill("Kept whole")
    changing.get_by_role("button", name="Change").click()

    expect(changing.get_by_role("alert")).to_contain_text("What you typed is kept")
    with person.context.expect_page() as opened:
        changing.get_by_role("link", name="Log in again").click()
    opened.value.get_by_role("link", name="Ada, administrator", exact=True).click()
    expect(opened.value.get_by_role("heading", level=1)).to_have_text("You are logged in")
    person.sends(changing, "Change")

    assert stack.admin.get(f"/v1/admin/tenants/{tenant_id}").json()["name"] == "Kept whole"


def test_an_endpoint_is_filed_for_a_tenant_tried_and_deleted(enter: Enter, stack: Stack):
    person = enter("admin")
    tenant_id = adds_a_tenant(person, "Hooked", stack.ready["organization_id"])
    person.goes(f"/console/webhooks?tenant_id={tenant_id}")
    adding = form(person, "Add an endpoint")
    adding.get_by_label("URL").fill("http://example.com/hook")
    adding.get_by_role("button", name="Add").click()
    expect(adding.locator(".wrong")).to_be_visible()
    adding.get_by_label("URL").fill(f"{stack.base_url}/nobody-listens")
    adding.get_by_role("button", name="Add").click()
    expect(adding.locator("pre")).to_contain_text("whsec_")

    person.goes(f"/console/webhooks?tenant_id={tenant_id}").get_by_role("link", name="nobody-listens").click()
    person.page.wait_for_load_state()
    person.assert_sound_everywhere(person.page.url.removeprefix(stack.base_url))
    person.page.get_by_role("button", name="Delete").click()
    with person.page.expect_navigation():
        person.page.get_by_role("button", name="Go on").click()

    expect(person.page.get_by_text("Nothing is sent anywhere")).to_be_visible()


def test_the_log_tells_who_changed_a_limit_from_what_to_what(enter: Enter, stack: Stack):
    person = enter("admin")
    tenant_id = adds_a_tenant(person, "Audited", stack.ready["organization_id"])
    stack.admin.put(f"/v1/admin/tenants/{tenant_id}/quotas", json={"spend_per_month": 7_250_000})
    stack.admin.put(f"/v1/admin/tenants/{tenant_id}/quotas", json={"spend_per_month": 9_000_000})

    person.goes(f"/console/tenants/{tenant_id}").get_by_role("link", name="Audit log", exact=True).last.click()
    person.page.wait_for_load_state()
    newest = person.page.locator("tbody tr").first

    expect(newest.locator("del")).to_have_text("7.25")
    expect(newest.locator("ins")).to_have_text("9.00")
    person.goes("/console/audit?action=tenant.put")
    person.page.get_by_role("list", name="Filters in force").get_by_role("link").click()
    expect(person.page).to_have_url(re.compile("/console/audit$"))
    person.assert_sound_everywhere("/console/audit")

    person.page.get_by_label("After").fill("yesterday")
    person.page.get_by_label("Who").fill(MARKUP)
    with person.page.expect_navigation():
        person.page.get_by_role("button", name="Filter").click()
    expect(person.page.locator(".wrong")).to_contain_text("2026-01-31T12:00:00Z")
    expect(person.page.get_by_label("Actor")).to_have_value(MARKUP)
    person.assert_page_is_sound()
    person.page.get_by_label("After").fill("2026-01-31T12:00:00Z")
    with person.page.expect_navigation():
        person.page.get_by_role("button", name="Look again").click()
    expect(person.page.get_by_text("Nothing in the log is like that.")).to_be_visible()


def test_a_form_is_a_call_of_the_api_that_can_be_copied_as_curl(enter: Enter, stack: Stack):
    person = enter("admin")
    person.goes("/console/tenants")
    adding = form(person, "Add a tenant")
    adding.get_by_label("Id", exact=True).fill("it's")
    adding.get_by_label("Name").fill("A 'quoted' name")
    adding.get_by_role("button", name="Copy as curl").click()

    copied = person.page.evaluate("navigator.clipboard.readText()")

    assert copied == (
        f"curl -X PUT '{stack.base_url}/v1/admin/tenants/it%27s' -H \"X-API-Key: $NUMBERGATE_KEY\""
        " -H 'Content-Type: application/json' -d '{\"name\":\"A '\\''quoted'\\'' name\"}'"
    )


def test_an_auditor_reads_and_is_offered_no_change(enter: Enter, stack: Stack):
    person = enter("auditor")
    for path in (
        "/console/organizations", f"/console/organizations/{stack.ready['organization_id']}", "/console/tenants",
        f"/console/tenants/{stack.ready['tenant_id']}", "/console/keys", "/console/sessions", "/console/audit",
    ):  # fmt: skip
        person.goes(path)
        assert person.page.locator("main form[data-api]").count() == 0, path
    person.assert_page_is_sound()


def test_the_other_rooms_of_administration_are_sound(enter: Enter, stack: Stack):
    person = enter("admin")
    for path in (
        "/console/organizations", f"/console/organizations/{stack.ready['organization_id']}", "/console/tenants?q=zz",
        "/console/sessions", "/console/webhooks",
    ):  # fmt: skip
        person.assert_sound_everywhere(path)
