"""Whatever the suite's processes say, and whatever the gateway answers, is searched for every secret that there is.

API keys are known by their form and checksum, wherever they were made. Every other secret is told here by whoever makes
it. A secret that got out fails the test in which it did.
"""

import re
from collections.abc import Generator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from service.tenants.keys import KEY, checksum

SHORTEST = 12  # What is shorter stands in ordinary words too.
SETTINGS = ("TELI_API_KEY", "NUMBERGATE_SECRET", "NUMBERGATE_API_KEY")
URLS = ("DATABASE_URL", "REDIS_URL")
# A key is shown here, once, to whoever had it made.
SHOWN = re.compile(r"/v1/admin/(tenants/[^/]+/keys|keys/[^/]+/rotate)")
COMMANDS_THAT_SHOW = ("keys", "up", "demo")

_secrets: set[str] = set()
_found: list[str] = []


def keep_secret(*values: str | None) -> None:
    _secrets.update(value for value in values if value and len(value) >= SHORTEST)


def keep_secrets_of(settings: Mapping[str, str]) -> None:
    """Those among the settings of a process."""
    for name, value in settings.items():
        if name in SETTINGS:
            keep_secret(value)
        elif name in URLS and (password := _password(value)):
            keep_secret(password, unquote(password))


def _password(url: str) -> str | None:
    try:
        return urlsplit(url).password
    except ValueError:
        return None


def leaked(text: str, *, said: str = "") -> list[str]:
    """What of a text is secret, save what a caller `said` itself."""
    keys = {"".join(found) for found in KEY.findall(text) if checksum(found[0]) == found[1]}
    return sorted(one for one in keys | {one for one in _secrets if one in text} if one not in said)


def watch(text: str, where: str, *, said: str = "") -> None:
    """Search it now; the test that runs fails at its end."""
    _found.extend(f"{where}: {one[:12]}…" for one in leaked(text, said=said))


def watch_command(arguments: list[str], stdout: str, stderr: str) -> None:
    command = " ".join(arguments[:2])
    watch(stderr, f"stderr of `{command}`")
    if not set(arguments) & set(COMMANDS_THAT_SHOW):
        watch(stdout, f"stdout of `{command}`")


async def watch_answer(answer: httpx.Response) -> None:
    """A hook of an httpx client."""
    await answer.aread()
    asked = answer.request
    if answer.status_code == 201 and SHOWN.fullmatch(asked.url.path):
        return
    body = asked.content.decode("utf-8", "replace") if hasattr(asked, "_content") else ""
    headers = [value for name, value in asked.headers.items() if name not in ("x-api-key", "authorization")]
    said = "\n".join([str(asked.url), body, *headers])
    watch(f"{answer.text}\n{answer.headers}", f"answer to {asked.method} {asked.url.path}", said=said)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[None]") -> Generator[None, Any, Any]:
    report: pytest.TestReport = yield
    if call.when == "teardown":
        # Not what pytest's own handler caught: that is the record as it was before it was made fit to be written.
        for name, content in report.sections:
            if "stdout" in name or "stderr" in name:
                watch(content, name)
        if _found:
            report.outcome = "failed"
            report.longrepr = "A secret got out:\n" + "\n".join(dict.fromkeys(_found))
            _found.clear()
    return report
