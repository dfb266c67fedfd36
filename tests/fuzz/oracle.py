"""What must be true of every answer, whatever was asked."""

import re
from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import orjson

import service.app  # noqa: F401  Every error there is has been defined once this is imported.
from service.http.edge import SECURITY_HEADERS
from service.tenants.keys import KEY, checksum
from tests.architecture.test_errors import errors
from tests.fuzz.asking import Answer, Ask
from tests.fuzz.cast import NOBODY, Cast
from tests.fuzz.values import Schema

# A 5xx that says what is the matter elsewhere, and that nothing was bought.
CONDITIONS = {"upstream_refused", "upstream_unavailable", "lane_busy", "purchases_stopped", "exports_busy"}
CODES = {error.code for error in errors()}
SHOWN_ONCE = ("create_key", "rotate_key")
PLAIN = re.compile(rb"[\t -~]*")
PROBLEM = "application/problem+json"
ANY: dict[str, dict[str, Any]] = {"": {"404": {"content": {PROBLEM: {}}}, "405": {"content": {PROBLEM: {}}}}}


class Oracle:
    def __init__(self, document: Schema, cast: Cast) -> None:
        self._document, self._cast = document, cast
        self._answers = ANY | {
            one["operationId"]: one["responses"] for path in document["paths"].values() for one in path.values()
        }
        # Paths without parameters first, as they are routed.
        self._routes = [
            (method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), one["operationId"])
            for path, item in sorted(document["paths"].items(), key=lambda one: one[0].count("{"))
            for method, one in item.items()
        ]
        self._public = {one["operationId"] for path in document["paths"].values() for one in path.values()
                        if not one.get("security")}  # fmt: skip
        self._validators: dict[tuple[str, int, str], Any] = {}

    def faults(self, ask: Ask, answer: Answer) -> list[str]:
        """What is wrong with the answer, in words; empty where nothing is."""
        found = [*self._documented(ask, answer), *self._told_to_nobody_else(ask, answer)]
        have = dict(answer.headers)
        found += [f"without {name.decode()}" for name, value in SECURITY_HEADERS if not _is_kept(name, value, have)]
        # What goes on through proxies as it is: no header says what a caller wrote beyond that.
        found += [f"header {name!r}: {value[:60]!r}" for name, value in answer.headers if not PLAIN.fullmatch(value)]
        if not answer.header("x-request-id"):
            found.append("without x-request-id")
        if ask.role == NOBODY and answer.status < 400 and ask.operation not in self._public:
            found.append("a stranger was answered")
        return found

    def _documented(self, ask: Ask, answer: Answer) -> list[str]:
        kind = answer.header("content-type").partition(";")[0]
        problem = self._json(answer) if kind == PROBLEM else None
        code = problem.get("code") if isinstance(problem, dict) else None
        if answer.status >= 500 and code not in CONDITIONS:
            return [f"{answer.status} {code}"]
        found = []
        if problem is not None:
            if code not in CODES or problem["status"] != answer.status:
                found.append(f"{answer.status} with the code {code}")
            if answer.header("idempotent-replayed") != "true" and problem["request_id"] != answer.header(
                "x-request-id"
            ):
                found.append("another request's id")
        responses = self._answers[ask.operation or self._wandered_to(ask)]
        # An id with a slash leads to another path, and an unknown path is told by 404 or 405.
        documented = responses.get(str(answer.status)) or ANY[""].get(str(answer.status))
        if documented is None:
            return [*found, f"undocumented status {answer.status}"]
        contents = documented.get("content", {})
        if not contents:
            return [*found, "a body where none is documented"] if answer.body else found
        if kind not in contents:
            return [*found, f"undocumented type {kind!r} of a {answer.status}"]
        if ask.method != "HEAD" and contents[kind].get("schema"):
            told = self._json(answer) if kind.endswith("json") else answer.body.decode("utf-8", "replace")
            validator = self._validator((ask.operation, answer.status, kind), contents[kind]["schema"])
            found += [f"not as documented: {error.message[:200]}" for error in validator.iter_errors(told)][:3]
        return found

    def _told_to_nobody_else(self, ask: Ask, answer: Answer) -> list[str]:
        said = ask.said
        told = answer.body + b"\n" + b"\n".join(value for _, value in answer.headers)
        found = []
        if (secret := self._cast.secret.get(ask.role)) is not None:
            leaked = {one for one in secret.findall(told) if one not in said}
            found += [f"tells of another tenant: {one.decode()}" for one in sorted(leaked)]
        if ask.operation not in SHOWN_ONCE or answer.status != 201:
            keys = {one for one in KEY.findall(told.decode("utf-8", "replace")) if checksum(one[0]) == one[1]}
            found += ["shows a key" for one in keys if "".join(one).encode() not in said]
        return found

    def _wandered_to(self, ask: Ask) -> str:
        """By another method a path may be another operation's; "" where it is none's."""
        fitting = (name for method, path, name in self._routes if method == ask.method and path.fullmatch(ask.path))
        return next(fitting, "")

    @staticmethod
    def _json(answer: Answer) -> Any:
        try:
            return orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            return None

    def _validator(self, which: tuple[str, int, str], schema: Schema) -> Any:
        if which not in self._validators:
            whole = schema | {"components": self._document["components"]}
            self._validators[which] = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        return self._validators[which]


def _is_kept(name: bytes, value: bytes, have: Mapping[bytes, bytes]) -> bool:
    """A page may say which styles are its own; what is not named may not run or load there either."""
    if name == b"content-security-policy" and have.get(b"content-type", b"").startswith(b"text/html"):
        return b"default-src 'none'" in have.get(name, b"")
    return have.get(name) == value
