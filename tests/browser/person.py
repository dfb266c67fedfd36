"""Somebody at the console, in a browser of their own; and what every page owes them, whatever it shows."""

import re
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request

# Of the demo's development provider, by what each may do.
NAMES = {
    "admin": "Ada, administrator",
    "organization-admin": "Oda, administrator of the demo's organisation",
    "finance": "Finn, finance",
    "operator": "Otto, operator",
    "auditor": "Audrey, auditor",
}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 360, "height": 780}
# What a browser says of an answer that is no 2xx, which a page told on purpose.
ANSWERED = re.compile(r"Failed to load resource: the server responded with a status of (4\d\d|503)")


class Person:
    """`wrong`: what no page may do: errors in the console, requests elsewhere, breaches of the policy."""

    def __init__(self, browser: Browser, base_url: str, **context: Any) -> None:
        self.base_url = base_url
        self.context: BrowserContext = browser.new_context(
            base_url=base_url, viewport=context.pop("viewport", WIDE), timezone_id="Europe/Berlin", locale="en-GB",
            **context,
        )  # fmt: skip
        self.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=base_url)
        self.wrong: list[str] = []
        self.page = self.new_page()

    def new_page(self) -> Page:
        page = self.context.new_page()
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("request", self._asked)
        return page

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not ANSWERED.search(message.text):
            self.wrong.append(f"{message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        # Whoever logs in is led to the provider, by a page of theirs.
        if request.resource_type != "document" and not request.url.startswith((self.base_url, "data:", "blob:")):
            self.wrong.append(f"asked {request.url}")

    def logs_in(self, role: str, at: str = "/console") -> Self:
        self.page.goto(at)
        self.page.get_by_role("link", name=NAMES[role], exact=True).click()
        self.page.wait_for_url(re.compile(re.escape(self.base_url)))
        return self

    def goes(self, path: str) -> Page:
        """Open a page, which must be whole and fit for all."""
        answer = self.page.goto(path)
        assert answer is not None
        assert answer.status < 400, f"{path}: {answer.status} {self.page.inner_text('main')[:300]}"
        return self.page

    def sends(self, form: Locator, button: str) -> None:
        """Press the button of a form that leads to another page or loads this one anew."""
        with self.page.expect_navigation():
            form.get_by_role("button", name=button).click()

    def assert_page_is_sound(self) -> None:
        """Nothing serious for those who hear the page or see it ill, nothing beyond its sides, its policy in force."""
        found = Axe().run(self.page, options={"runOnly": RULES, "resultTypes": ["violations"]})
        serious = [
            f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
            for one in found.response["violations"] if one["impact"] in ("serious", "critical")
        ]  # fmt: skip
        assert serious == [], f"{self.page.url}: {serious}"
        wider = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{self.page.url} is {wider} pixels too wide"
        assert self.wrong == []

    def assert_sound_everywhere(self, path: str) -> None:
        """The same of a page in both themes, wide and narrow."""
        for theme in ("light", "dark"):
            self.page.emulate_media(color_scheme=theme)
            for size in (WIDE, NARROW):
                self.page.set_viewport_size(size)
                self.goes(path)
                self.assert_page_is_sound()
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size(WIDE)

    def leaves(self) -> None:
        self.context.close()
        assert self.wrong == []


Enter = Callable[..., Person]


def path_of(url: str) -> str:
    return urlsplit(url).path
