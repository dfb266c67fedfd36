"""One list of events: what is written is on it, and what is on it is written, documented and told."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import jsonschema_rs
import pytest
from pydantic import ValidationError

from service.outbox.catalogue import EVENTS, GROUPS, Event, schema_of, told
from service.outbox.events import record
from service.webhooks.webhooks import TEST
from tests.outbox.page import PAGE, envelope, with_tables
from tests.support.gateway import Gateway

ROOT = Path(__file__).parents[2]
NAMED_IN_SQL = re.compile(r"'((?:number|order|campaign|quota|statement|budget|webhook)\.[a-z_]+)'")
WRITERS = ("record", "tell")


def written_in_python() -> Iterator[tuple[str, bool]]:
    """The kinds that the code writes, and whether as a whole; else what their names begin with."""
    for path in (ROOT / "service").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", None) not in WRITERS:
                continue
            for given in node.args[1:]:
                if isinstance(given, ast.Constant) and "." in str(given.value):
                    yield str(given.value), True
                if isinstance(given, ast.JoinedStr) and isinstance(given.values[0], ast.Constant):
                    yield str(given.values[0].value), False


def written_in_sql() -> Iterator[str]:
    """By the newest version of each function of the database."""
    newest: dict[str, Path] = {}
    for path in sorted((ROOT / "alembic" / "sql").glob("*_v*.sql"), key=lambda one: int(one.stem.rpartition("_v")[2])):
        newest[path.stem.rpartition("_v")[0]] = path
    for path in newest.values():
        text = path.read_text()
        if "record_event(" in text:
            yield from NAMED_IN_SQL.findall(text)


def test_every_event_that_is_written_is_listed_and_every_one_that_is_listed_is_written():
    python = list(written_in_python())
    whole = {kind for kind, is_whole in python if is_whole} | set(written_in_sql())
    beginnings = {kind for kind, is_whole in python if not is_whole}

    assert {"number.acquired", "number.doubtful", "number.released"} <= whole
    assert whole - EVENTS.keys() == set(), "list these in service/outbox/catalogue.py"
    unwritten = {kind for kind in EVENTS.keys() - whole if not kind.startswith(tuple(beginnings))}
    assert unwritten == {TEST}, "nothing writes these any more"


def test_every_event_has_a_stable_form():
    for kind in EVENTS:
        assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", kind)
        assert told(kind).endswith("."), f"{kind} does not say when it is written"
        jsonschema_rs.meta.validate(schema_of(kind))
    assert {"number.*", "order.*"} <= set(GROUPS)


async def test_an_event_that_is_not_listed_or_does_not_fit_is_not_written(gateway: Gateway):
    async with gateway.services.database.acting(tenant="t") as session:
        with pytest.raises(KeyError):
            await record(session, "t", "number.invented", number_id=uuid4())
        with pytest.raises(ValidationError):
            await record(session, "t", "number.released", number_id=uuid4(), phone_number="+13135550100")
        with pytest.raises(ValidationError):
            await record(session, "t", "number.orphaned", intent_id=uuid4(), phone_number="+13135550100", colour="red")
    assert await gateway.sql("SELECT count(*) FROM outbox") == [(0,)]


def test_the_page_shows_the_catalogue():
    page = PAGE.read_text()
    assert page == with_tables(page), "run python -m tests.outbox"
    for member in envelope():
        assert f"`{member}`" in page


async def test_the_openapi_document_tells_of_every_event_as_a_webhook(gateway: Gateway):
    document = (await gateway.http.get("/openapi.json")).json()

    assert document["webhooks"].keys() == EVENTS.keys()
    for kind, told_by in document["webhooks"].items():
        [header, *_] = told_by["post"]["parameters"]
        assert header["name"] == "webhook-id"
        schema = told_by["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert schema["properties"].keys() == Event.model_fields.keys(), kind
