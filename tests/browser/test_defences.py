"""What somebody who means ill may try with a person who is logged in: nothing of it works."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect

from tests.browser.person import Enter
from tests.browser.stack import Stack

PAGE = """<!doctype html><title>Free numbers</title><p id="said">waiting</p>
<form id="form" method="post" action="{target}/console/logout" enctype="text/plain"><input name="{{" value="}}"></form>
<iframe id="frame" src="{target}/console" width="600" height="300"></iframe>
<script>
const put = {{method: "PUT", credentials: "include", headers: {{"Content-Type": "application/json"}},
              body: JSON.stringify({{state: "closed"}})}};
const post = {{method: "POST", credentials: "include", mode: "no-cors",
               body: JSON.stringify({{scope: "global", reason: "ours now"}})}};
(async () => {{
  const said = [];
  for (const [path, how] of [["/v1/admin/tenants/{tenant}", put], ["/v1/admin/stop", post], ["/v1/me", {{credentials: "include"}}]]) {{
    try {{ const answer = await fetch("{target}" + path, how); said.push(answer.type === "opaque" ? "opaque" : await answer.text()); }}
    catch {{ said.push("refused"); }}
  }}
  document.getElementById("said").textContent = said.join(" ");
}})();
</script>"""  # noqa: E501 - it is their page


@pytest.fixture
def elsewhere(stack: Stack) -> Iterator[str]:
    """A page of another origin, on the same site: browsers send it our cookies all the same."""
    page = PAGE.format(target=stack.base_url, tenant=stack.ready["tenant_id"]).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_page_of_another_origin_changes_nothing_reads_nothing_and_frames_nothing(
    enter: Enter, stack: Stack, elsewhere: str
):
    person = enter("admin")
    theirs = person.context.new_page()
    theirs.goto(elsewhere)

    expect(theirs.locator("#said")).to_have_text("refused refused refused")
    assert theirs.frames[1].url.startswith("chrome-error")
    theirs.locator("#form").evaluate("form => form.submit()")
    theirs.wait_for_load_state()

    assert stack.admin.get(f"/v1/admin/tenants/{stack.ready['tenant_id']}").json()["state"] == "active"
    assert not [one for one in stack.admin.get("/v1/admin/stops").json()["items"] if one["stopped"]]
    person.goes("/console")


def test_a_session_that_somebody_else_chose_is_none_after_the_login(enter: Enter, stack: Stack):
    person = enter(None)
    planted = "ngs_" + "a" * 43

    def plant() -> None:
        person.context.add_cookies([{"name": "numbergate_session", "value": planted, "url": stack.base_url}])

    plant()
    person.logs_in("admin")

    [session] = [one for one in person.context.cookies() if one["name"] == "numbergate_session"]

    assert session["value"] != planted
    assert session["httpOnly"]
    assert session["sameSite"] == "Lax"
    person.context.clear_cookies()
    plant()
    person.page.goto("/console")
    expect(person.page.get_by_role("heading", name="Who are you today?")).to_be_visible()


def test_the_session_is_none_that_a_script_can_read(enter: Enter):
    person = enter("admin")

    assert person.page.evaluate("document.cookie") == ""


def test_an_address_full_of_markup_is_shown_as_text(enter: Enter):
    person = enter("admin")
    person.page.goto("/console/tenants?q=%3Cimg%20src=x%20onerror=alert(1)%3E%22'")

    expect(person.page.get_by_label("Search")).to_have_value("<img src=x onerror=alert(1)>\"'")
    assert person.page.locator("main img").count() == 0
    person.assert_page_is_sound()


def test_a_login_leads_back_to_pages_of_ours_alone(enter: Enter):
    person = enter(None)

    answer = person.page.goto("/console/login?return_to=//elsewhere.example/")

    assert answer is not None
    assert answer.status == 400


@pytest.mark.parametrize(
    "body", ["{}", "[]", "nothing", '{"mapping": 3, "headers": 5}', '{"sample": [{}], "micros": 1, "currency": "<b>"}']
)
def test_what_no_answer_of_the_api_looks_like_makes_no_part_of_a_page(enter: Enter, body: str):
    person = enter("finance")

    answer = person.page.request.post(
        "/console/invoices/preview", data=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status == 400
    assert "The API answers nothing like what was sent here." in answer.text()


@pytest.mark.parametrize("path", ["", "/numbers", "/numbers/idle", "/nowhere/at/all"])
def test_whoever_takes_nothing_but_pages_is_given_one(enter: Enter, path: str):
    person = enter("admin")

    answer = person.page.request.get(f"/console{path}", headers={"Accept": "text/html"})

    assert answer.status != 406
    assert answer.headers["content-type"].startswith("text/html")
