"""Our own rules on the source, where the linters' are too general to have them."""

import ast
import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from service.app import create_app
from service.console.visit import visit
from service.http.paths import routes_of
from service.tenants.auth import authenticate, holding

SERVICE = Path(__file__).parents[2] / "service"
# Visibly for everybody: what tells whether the process lives, and what can be read in the source as well.
PUBLIC = {
    "/healthz", "/readyz", "/docs", "/docs/docs.js", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js",
    "/console/login", "/console/callback", "/console/logout", "/console/static/{version}/{name:path}",
}  # fmt: skip
SECRET = re.compile(r"(^|_)(secret|password|mac|digest|signature|checksum|token|hash|api_key)s?$")
LOGGED = re.compile(r"(^|_)(secret|password|token|api_key|authorization|credentials?)s?$|^key$|^get_secret_value$")
# Where a rule is broken on purpose, and why that is safe.
EXPLAINED = {
    "sql_made_of_values": {
        "db.py": "calls one of two functions, named by literals",
        "migrations.py": "roles and databases cannot be parameters; none is named by a caller",
        "reconciliation/lists.py": "puts one of two constants behind the other",
        "simulator/state/database.py": "empties the tables that it made itself",
    },
    "compared_by_equality": {"audit/chain.py": "hashes of the audit chain are in every export"},
    "logged_secrets": {
        "tenants/accounts.py": "whether a key was replaced, and not by which",
        "tenants/stops.py": "`key` is the key of a row: what is stopped",
    },
    "careless_clients": {"cli/remote.py": "a person's command, which may need the proxy of its network for https"},
}
RUNS_SQL = {"text", "execute", "scalar", "scalars", "fetch", "fetchrow", "fetchval"}
LOGS = {"debug", "info", "warning", "error", "exception", "critical", "bind_contextvars"}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SERVICE.rglob("*.py")):
        yield str(path.relative_to(SERVICE)), ast.parse(path.read_text())


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            yield function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", ""), node


def named(node: ast.AST) -> set[str]:
    """Every name that an expression reads."""
    inner = ast.walk(node)
    return {one.attr if isinstance(one, ast.Attribute) else one.id for one in inner
            if isinstance(one, ast.Attribute | ast.Name)}  # fmt: skip


def is_made(node: ast.AST) -> bool:
    """Whether a text is put together where it stands."""
    return (
        (isinstance(node, ast.JoinedStr) and any(not name.isupper() for name in named(node)))
        or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod))
        or (isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("format", "join", "replace"))
    )


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def sql_made_of_values(name: str, tree: ast.Module) -> Iterator[str]:
    """Statements are constants; what a caller says is a parameter."""
    for function in functions(tree):
        for called, node in calls(function):
            if called in RUNS_SQL and node.args and is_made(node.args[0]):
                yield f"{name}:{node.lineno}"


def compared_by_equality(name: str, tree: ast.Module) -> Iterator[str]:
    """Secrets are compared in constant time, or by an index of the database."""
    for function in functions(tree):
        for node in ast.walk(function):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq):
                for side in (node.left, *node.comparators):
                    last = side.attr if isinstance(side, ast.Attribute) else getattr(side, "id", "")
                    column = isinstance(side, ast.Attribute) and getattr(side.value, "id", "a")[:1].isupper()
                    if SECRET.search(last) and not column:
                        yield f"{name}:{node.lineno} {last}"


def logged_secrets(name: str, tree: ast.Module) -> Iterator[str]:
    for called, node in calls(tree):
        if called in LOGS:
            for argument in (*node.args[1:], *(one.value for one in node.keywords)):
                yield from (f"{name}:{node.lineno} {one}" for one in named(argument) if LOGGED.search(one))


def careless_clients(name: str, tree: ast.Module) -> Iterator[str]:
    """A key goes where it was meant to go: no proxy of the environment, no redirect."""
    for called, node in calls(tree):
        if called in ("AsyncClient", "Client") and getattr(getattr(node.func, "value", None), "id", "") == "httpx":
            given = {one.arg: getattr(one.value, "value", None) for one in node.keywords}
            if given.get("trust_env") is not False or given.get("follow_redirects"):
                yield f"{name}:{node.lineno}"


def broken(rule: Callable[[str, ast.Module], Iterator[str]]) -> list[str]:
    explained = EXPLAINED.get(rule.__name__, {})
    found = {name: list(rule(name, tree)) for name, tree in sources()}
    assert all(found[name] for name in explained), "what is explained is not there any more"
    return [one for name, faults in found.items() if name not in explained for one in faults]


def test_no_statement_is_made_of_values():
    assert broken(sql_made_of_values) == []


def test_no_secret_is_compared_by_equality():
    assert broken(compared_by_equality) == []


def test_no_log_line_is_given_a_secret():
    assert broken(logged_secrets) == []


def test_no_http_client_trusts_the_environment_or_follows_redirects():
    assert broken(careless_clients) == []


def test_the_rules_find_what_they_are_for():
    bad = ast.parse(
        "def f():\n"
        "    s.execute(text(f'SELECT {x}'))\n"
        "    if key_hash == given: log.info('x', key=api_key)\n"
        "    httpx.AsyncClient(timeout=1)\n"
    )
    for rule in (sql_made_of_values, compared_by_equality, logged_secrets, careless_clients):
        assert list(rule("x", bad)), rule.__name__


def asks_who(dependant: Dependant) -> bool:
    check = holding("x").__qualname__
    return any(
        inner.call in (authenticate, visit) or getattr(inner.call, "__qualname__", "") == check or asks_who(inner)
        for inner in dependant.dependencies
    )


def test_every_endpoint_asks_who_calls_or_is_visibly_public():
    app: Any = create_app(lambda: nullcontext(None)).app
    routes = [route for route in routes_of(app) if isinstance(route, APIRoute)]
    assert len(routes) > 35
    open_to_all = {route.path for route in routes if not asks_who(route.dependant)}
    assert open_to_all == PUBLIC
