"""The models are those of the OpenAPI document, and additions break nobody who reads them."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from service.client import models
from service.client.answers import NotAsDescribed, read
from service.http.examples import EXAMPLES
from tests.client import generated, grouped

ROOT = Path(__file__).parents[2]
MODELS = {
    schema: getattr(models, generated.named(schema))
    for schema in EXAMPLES
    if hasattr(models, generated.named(schema)) and dataclasses.is_dataclass(getattr(models, generated.named(schema)))
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return generated.document()


def test_the_models_are_those_of_the_document(document: dict[str, Any]):
    assert generated.MODELS.read_text() == generated.models(document), f"run {generated.MADE}"


def test_bodies_and_further_methods_are_those_of_the_document(document: dict[str, Any]):
    assert grouped.BODIES.read_text() == grouped.bodies(document), f"run {generated.MADE}"
    assert grouped.ASYNC_GROUPS.read_text() == grouped.groups(document), f"run {generated.MADE}"


@pytest.mark.parametrize("awaited", generated.PAIRS, ids=lambda path: path.name)
def test_the_two_clients_are_one(awaited: Path):
    made = generated.synchronous(awaited, awaited.read_text())
    assert generated.PAIRS[awaited].read_text() == made, f"run {generated.MADE}"


def test_every_example_of_an_answer_is_read_whole():
    assert len(MODELS) > 60
    for schema, kind in MODELS.items():
        example = json.loads(json.dumps(EXAMPLES[schema]))
        found = read(kind, example)
        assert found.extra == {}, schema
        for name in example.keys() - {"extra"}:
            assert hasattr(found, name), (schema, name)


PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))


@given(schema=st.sampled_from(sorted(MODELS)), more=st.dictionaries(st.text(min_size=1, max_size=8), PLAIN, max_size=4))
def test_members_that_are_added_later_stand_aside(schema: str, more: dict[str, Any]):
    example = json.loads(json.dumps(EXAMPLES[schema]))
    known = {one.name for one in dataclasses.fields(MODELS[schema])}
    added = {name: value for name, value in more.items() if name not in known}

    plain, found = read(MODELS[schema], example), read(MODELS[schema], example | added)

    assert found == plain
    assert found.extra == added
    assert not [name for name in added if len(name) > 6 and name in repr(found)]


@given(value=JSON, schema=st.sampled_from(sorted(MODELS)))
def test_what_is_no_such_answer_is_told_and_not_guessed(value: Any, schema: str):
    try:
        read(MODELS[schema], value)
    except NotAsDescribed:
        return
    assert isinstance(value, dict)


def test_a_state_that_is_new_is_text_as_the_old_ones_are():
    assert read(models.NumberItem, EXAMPLES["NumberPage"]["items"][0] | {"state": "parked"}).state == "parked"


def test_a_member_that_is_missing_is_named_with_its_place():
    number = EXAMPLES["NumberOut"]
    without = {name: value for name, value in number["costs"].items() if name != "currency"}

    with pytest.raises(NotAsDescribed, match=r"^/costs/currency: is missing$"):
        read(models.Number, number | {"costs": without})


def test_secrets_are_in_no_repr():
    made = read(models.WebhookMade, EXAMPLES["WebhookMade"])
    assert made.secret and made.secret not in repr(made)


def test_answers_are_frozen():
    number = read(models.NumberItem, EXAMPLES["NumberPage"]["items"][0])
    with pytest.raises(dataclasses.FrozenInstanceError):
        number.state = "released"  # type: ignore[misc]


def test_importing_the_client_loads_nothing_of_the_server():
    said = "import json, sys, service.client; print(json.dumps([*sys.modules]))"
    ended = subprocess.run([sys.executable, "-c", said], cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert ended.returncode == 0, ended.stderr
    loaded = {name.partition(".")[0] for name in json.loads(ended.stdout)}
    ours = {name for name in json.loads(ended.stdout) if name.startswith("service.")}
    assert not loaded & {"fastapi", "starlette", "sqlalchemy", "redis", "pydantic", "asyncpg", "typer", "pytest"}
    assert all(name.startswith("service.client") for name in ours), ours
