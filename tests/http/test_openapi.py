"""The OpenAPI document is fit to be read and to generate clients from."""

import re
from typing import Any

import jsonschema_rs
import pytest

from service.http.links import LINKS
from service.http.openapi import PROBLEM_SCHEMA
from tests.support.gateway import Gateway

# Answered as lines, or whole, where it is asked for.
STREAMED = {
    "list_audit": {"application/x-ndjson"},
    "list_events": {"application/x-ndjson"},
    "list_invoice_lines": {"text/csv", "application/x-ndjson", "application/vnd.apache.parquet"},
    "list_inventory": {"text/csv", "application/x-ndjson", "application/vnd.apache.parquet"},
    "list_findings": {"text/csv", "application/x-ndjson", "application/vnd.apache.parquet"},
    "list_dispute_lines": {"text/csv", "application/x-ndjson", "application/vnd.apache.parquet"},
}
# Answers that are files and nothing else.
FILES_ONLY = {
    "export_statement": {"text/csv", "application/x-ndjson", "application/vnd.apache.parquet", "text/html"},
    "get_dispute_letter": {"text/html"},
    "get_dispute_attachment": {"application/octet-stream"},
}
# Whose body is a file.
FILES = {
    **dict.fromkeys(("preview_csv_import", "preview_invoice", "create_invoice"), "text/csv"),
    "attach_to_dispute": "application/pdf",
}
PUBLIC = {"healthz", "readyz"}
Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture
async def document(gateway: Gateway) -> dict[str, Any]:
    answer = await gateway.http.get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def operations(document: dict[str, Any]) -> list[Operation]:
    return [(path, method, one) for path, item in document["paths"].items() for method, one in item.items()]


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][reference] if reference else schema


def test_the_document_is_openapi_3_1(document: dict[str, Any]):
    assert document["openapi"].startswith("3.1.")
    assert document["components"]["schemas"]["Problem"] == PROBLEM_SCHEMA
    assert document["components"]["securitySchemes"].keys() == {"ApiKey", "Bearer"}


def test_every_operation_can_be_called_by_a_name_and_found_by_a_tag(operations: list[Operation]):
    names = [one["operationId"] for _, _, one in operations]
    assert len(names) > 12
    assert len(set(names)) == len(names)
    for path, method, one in operations:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", one["operationId"]), f"{method} {path}"
        assert len(one["tags"]) == 1, f"{method} {path}"
        assert one["summary"], f"{method} {path}"
        assert one["description"], f"{method} {path}"


def test_every_operation_but_health_takes_either_spelling_of_a_key(operations: list[Operation]):
    for path, method, one in operations:
        if one["operationId"] in PUBLIC:
            assert "security" not in one, f"{method} {path}"
        else:
            assert one["security"] == [{"ApiKey": []}, {"Bearer": []}], f"{method} {path}"
            assert {"401", "403"} <= one["responses"].keys(), f"{method} {path}"


def test_every_body_and_every_answer_has_an_example(document: dict[str, Any], operations: list[Operation]):
    for path, method, one in operations:
        contents = [one["requestBody"]["content"]] if "requestBody" in one else []
        if kind := FILES.get(one["operationId"]):
            assert contents.pop()[kind]["schema"]["examples"], f"{method} {path}"
        contents += [
            answer["content"] for status, answer in one["responses"].items() if status < "3" and "content" in answer
        ]
        if kinds := FILES_ONLY.get(one["operationId"]):
            assert contents.pop().keys() == kinds, f"{method} {path}"
        for content in contents:
            assert content.keys() == {"application/json", *STREAMED.get(one["operationId"], ())}, f"{method} {path}"
            schema = resolved(document, content["application/json"]["schema"])
            examples = schema.get("examples")
            assert examples, f"{method} {path}: {schema.get('title')}"
            for one_of in examples:
                assert set(schema.get("required", [])) <= one_of.keys() <= schema["properties"].keys(), (
                    f"{method} {path}"
                )


def test_every_example_is_one_of_what_it_shows(document: dict[str, Any]):
    looked_at = 0
    for name, schema in document["components"]["schemas"].items():
        root = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        validator = jsonschema_rs.Draft202012Validator(root, validate_formats=True)
        for example in schema.get("examples", []):
            assert [str(fault.message) for fault in validator.iter_errors(example)] == [], name
            looked_at += 1
    assert looked_at > 100


def test_every_parameter_that_must_be_given_has_an_example(operations: list[Operation]):
    for path, method, one in operations:
        for parameter in one.get("parameters", []):
            if parameter["required"]:
                assert parameter["schema"].get("examples"), f"{method} {path}: {parameter['name']}"


def test_every_refusal_is_a_problem_and_names_its_codes(operations: list[Operation]):
    for path, method, one in operations:
        for status, answer in one["responses"].items():
            if status >= "4" and one["operationId"] != "readyz":
                assert answer["content"].keys() == {"application/problem+json"}, f"{method} {path} {status}"
                assert re.match(r"`[a-z_]+`: ", answer["description"]), f"{method} {path} {status}"


def test_whatever_takes_an_idempotency_key_tells_of_reuse_and_replay(operations: list[Operation]):
    keyed = [
        one for _, _, one in operations if any(it["name"] == "Idempotency-Key" for it in one.get("parameters", []))
    ]
    assert len(keyed) > 9
    for one in keyed:
        assert "`idempotency_key_reused`" in one["responses"]["422"]["description"], one["operationId"]
        [told] = [answer for status, answer in one["responses"].items() if status in ("200", "201")]
        assert "Idempotent-Replayed" in told["headers"], one["operationId"]


def test_every_link_leads_from_what_an_answer_has_to_what_an_operation_asks_for(
    document: dict[str, Any], operations: list[Operation]
):
    by_name = {one["operationId"]: one for _, _, one in operations}
    assert {name for name, _ in LINKS} <= by_name.keys()
    for one in by_name.values():
        for answer in one["responses"].values():
            for name, told in answer.get("links", {}).items():
                asked = {parameter["name"] for parameter in by_name[told["operationId"]]["parameters"]}
                assert told["parameters"].keys() <= asked, name
                for pointer in told["parameters"].values():
                    schema = resolved(document, answer["content"]["application/json"]["schema"])
                    for step in pointer.removeprefix("$response.body#/").split("/"):
                        inner = schema["items"] if step == "0" else schema["properties"][step]
                        schema = resolved(document, inner)
