"""The audit log as administrators read and export it, and as whoever holds an export or the database verifies it."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from service.audit import log as audit_log
from tests.cli.desk import Desk
from tests.cli.pages import blocks
from tests.http.refusals import pointers, problem
from tests.http.serving import served
from tests.support.gateway import AUTHOR, ORGANIZATION, Gateway, Tenant

AUDIT = "/v1/admin/audit"
NDJSON = {"Accept": "application/x-ndjson"}


async def listed(gateway: Gateway, **params: Any) -> list[dict[str, Any]]:
    """Every entry, in pages of three."""
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        asked = {"limit": 3, **params} | ({"cursor": cursor} if cursor else {})
        answer = await gateway.admin.get(AUDIT, params=asked)
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            assert answer.json()["total"] == {"value": len(items), "exact": True}
            return items


async def test_entries_are_listed_newest_first_by_what_they_are_about(gateway: Gateway, tenant: Tenant):
    path = f"/v1/admin/tenants/{tenant.id}"
    answer = await gateway.admin.send("PUT", path, json={"name": "New"}, headers={"X-Request-ID": "renamed"})
    assert answer.status_code == 200
    while await gateway.worker.chaining.chain():
        continue
    await gateway.admin.send("PUT", path, json={"name": "Newer"})

    everything = await listed(gateway)
    assert [one["id"] for one in everything] == sorted((one["id"] for one in everything), reverse=True)
    assert [one["seq"] for one in everything] == [None, *range(len(everything) - 1, 0, -1)]
    newest, renamed, *_ = everything
    assert (newest["hash"], len(renamed["hash"])) == (None, 64)
    assert (renamed["before"]["name"], renamed["after"]["name"]) == ("Test", "New")

    actor = renamed["actor"]
    assert [one["id"] for one in await listed(gateway, request_id="renamed")] == [renamed["id"]]
    assert [one["id"] for one in await listed(gateway, actor=actor)] == [newest["id"], renamed["id"]]
    puts = await listed(gateway, action="tenant.put", object_kind="tenant", object_id=tenant.id, tenant_id=tenant.id)
    assert [one["id"] for one in puts] == [newest["id"], renamed["id"], puts[2]["id"]]
    between = await listed(gateway, after=puts[2]["at"], before=newest["at"])
    assert between[0]["id"] == renamed["id"]
    assert puts[2]["id"] not in [one["id"] for one in between]
    assert await listed(gateway, actor="nobody") == []


async def test_what_was_done_with_the_keys_of_a_tenant_is_listed_with_the_tenant(gateway: Gateway, tenant: Tenant):
    other = await gateway.tenant()
    issue = {"name": "further", "scopes": ["numbers:read"]}
    issued = (await gateway.admin.send("POST", f"/v1/admin/tenants/{tenant.id}/keys", json=issue)).json()
    rotate = {"overlap_seconds": 60}
    await gateway.admin.send("POST", f"/v1/admin/keys/{issued['id']}/rotate", json=rotate)
    await gateway.admin.send("DELETE", f"/v1/admin/keys/{issued['id']}")

    found = await listed(gateway, tenant_id=tenant.id, object_kind="key")

    assert [one["action"] for one in found] == ["key.revoked", "key.rotated", "key.issued", "key.issued"]
    assert [one["action"] for one in await listed(gateway, tenant_id=other.id)] == ["key.issued", "tenant.put"]


async def test_who_may_not_read_it_and_what_cannot_be_asked(gateway: Gateway, tenant: Tenant):
    for stranger in (tenant, gateway.operator):
        for headers in ({}, NDJSON):
            problem(await stranger.get(AUDIT, headers=headers), 403, "scope_missing")
    for params, fault in (
        ({"after": "yesterday"}, "after"), ({"before": "2026-01-01T00:00:00"}, "before"), ({"actor": ""}, "actor"),
        ({"cursor": "x"}, "cursor"), ({"who": "me"}, "who"),
        ({"limit": 0}, "limit"),
        ({"action": "key.isSued"}, "action"), ({"action": "keys.issued"}, "action"),
        ({"action": "key.isued"}, "action"), ({"action": "tenant.nothing"}, "action"),
        ({"after": "2026-02-01T00:00:00Z", "before": "2026-01-01T00:00:00Z"}, "before"),
        ({"object_kind": "keys"}, "object_kind"),
    ):  # fmt: skip
        answer = await gateway.admin.get(AUDIT, params=params)
        assert pointers(problem(answer, 400, "invalid_request", about=str(params))) == {fault}
    answer = await gateway.admin.get(AUDIT, params={"limit": 5}, headers=NDJSON)
    assert pointers(problem(answer, 400, "invalid_request")) == {"limit"}
    problem(await gateway.admin.get("/v1/admin/keys", headers=NDJSON), 406, "not_acceptable")
    assert (await gateway.admin.get(AUDIT, headers={"Accept": "application/json"})).json()["items"]


async def test_an_export_is_everything_once_and_too_much_or_too_many_are_refused(
    gateway: Gateway, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
):
    await gateway.services.administration.put_organization(AUTHOR, 'q"\\é\t,\u2028', 'a\\b"c\n')
    await gateway.worker.chaining.chain()
    await gateway.services.administration.put_organization(AUTHOR, ORGANIZATION, "waiting")
    answer = await gateway.admin.get(AUDIT, headers=NDJSON)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    lines = [json.loads(line) for line in answer.content.decode().split("\n") if line]
    assert [one["seq"] for one in lines] == [*range(1, len(lines)), None]
    assert [one["previous_hash"] for one in lines[1:-1]] == [one["hash"] for one in lines[:-2]]
    by_id = {one["id"]: one for one in await listed(gateway)}
    for line in lines:
        item = by_id.pop(line["entry"]["id"])
        assert line["entry"] == {name: value for name, value in item.items() if name not in ("seq", "hash")} | {
            "at": line["entry"]["at"]
        }
        assert line["hash"] == item["hash"]
    assert by_id == {}
    one = (await gateway.admin.get(AUDIT, headers=NDJSON, params={"object_id": tenant.id, "action": "tenant.put"})).text
    assert one.count("\n") == 1

    monkeypatch.setattr(audit_log, "MOST_EXPORTED", 500)
    assert pointers(problem(await gateway.admin.get(AUDIT, headers=NDJSON), 400, "invalid_request")) == {"after"}
    monkeypatch.setattr(audit_log, "EXPORTS_AT_ONCE", 0)
    problem(await gateway.admin.get(AUDIT, headers=NDJSON), 409, "state_conflict")
    assert gateway.services.audit_log._exports == 0


@pytest.fixture
async def desk(gateway: Gateway, database_url: str) -> AsyncIterator[Desk]:
    """An administrator's, who can reach the database too."""
    async with served(gateway) as port:
        url = f"http://127.0.0.1:{port}"
        yield Desk({"NUMBERGATE_URL": url, "NUMBERGATE_API_KEY": gateway.admin.key, "DATABASE_URL": database_url})


async def head_of(gateway: Gateway) -> tuple[int, str]:
    """Of a chain that holds all there is."""
    while await gateway.worker.chaining.chain():
        continue
    [(seq, head)] = await gateway.sql("SELECT seq, encode(hash, 'hex') FROM audit_chain ORDER BY seq DESC LIMIT 1")
    return seq, head


async def test_it_is_verified_from_the_database_and_from_an_export_alone(
    gateway: Gateway, tenant: Tenant, desk: Desk, database_url: str, tmp_path: Path
):
    seq, head = await head_of(gateway)
    await gateway.admin.send("PUT", f"/v1/admin/tenants/{tenant.id}", json={"name": "waiting"})
    file, log = tmp_path / "audit.ndjson", tmp_path / "worker.log"
    log.write_text(json.dumps({"log": json.dumps({"event": "audit head", "seq": seq, "hash": head})}) + "\nnoise\n")

    told = json.loads(await desk.done("audit", "verify", "--json", "--head", f"{seq}:{head}"))
    assert (told["ok"], told["checked"], told["head"], told["not_chained"]) == (True, seq, f"{seq}:{head}", 1)
    await desk.done("audit", "export", "--output", str(file))
    told = json.loads(await desk.done("audit", "verify", "--json", "--file", str(file), "--from-log", str(log)))
    assert (told["ok"], told["checked"], told["heads_met"], told["not_chained"]) == (True, seq, 1, 1)

    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([*lines[:2], lines[2].replace('"test"', '"nobody"'), *lines[3:]]))
    ended = await desk.run("audit", "verify", "--file", str(file))
    row = json.loads(lines[2])["entry"]["id"]
    said = f"TAMPERED WITH at 3, audit row {row}: edited: its row is not the one that was chained.\n"
    assert (ended.returncode, ended.stdout.startswith(said)) == (1, True), ended.stdout
    await as_superuser(database_url, "DELETE FROM audit WHERE id = (SELECT audit_id FROM audit_chain WHERE seq = 2)")
    ended = await desk.run("audit", "verify")
    assert (ended.returncode, ended.stdout.startswith("TAMPERED WITH at 2, audit row ")) == (1, True), ended.stdout


@pytest.mark.ci
async def test_a_person_lists_it_and_is_told_what_cannot_be_verified(
    gateway: Gateway, tenant: Tenant, desk: Desk, tmp_path: Path
):
    seq, head = await head_of(gateway)
    file = tmp_path / "audit.ndjson"
    assert "tenant.put" in await desk.done("audit", "list", "--object", tenant.id)
    assert json.loads(await desk.done("audit", "list", "--json", "--action", "account.reencrypted"))["items"] == []
    await desk.done("audit", "export", "--output", str(file))
    [by_hand] = blocks("docs/audit.md", "python")
    with file.open() as lines:
        subprocess.run([sys.executable, "-c", by_hand], stdin=lines, check=True)
    await desk.done("audit", "export", "--output", str(file), "--object", tenant.id)
    assert "of a choice" in await desk.done("audit", "verify", "--file", str(file), "--partial")
    ended = await desk.run("audit", "verify", "--file", str(file))
    assert (ended.returncode, ended.stdout.startswith("INCOMPLETE at 1: unlinked: ")) == (1, True), ended.stdout
    assert "What is there is good. If this export was filtered, verify it with --partial" in ended.stdout
    told = json.loads((await desk.run("audit", "verify", "--json", "--file", str(file))).stdout)
    assert (told["ok"], told["only_gaps"]) == (False, True)
    edited = file.read_text().replace('"Test"', '"Best"')
    file.write_text(edited)
    assert (await desk.run("audit", "verify", "--file", str(file))).stdout.startswith("TAMPERED WITH at 1: unlinked")
    file.write_text("")
    ended = await desk.run("audit", "verify", "--file", str(file))
    assert (ended.returncode, "there is nothing to verify: it is empty" in ended.stderr) == (2, True), ended.stderr
    await desk.done("audit", "export", "--output", str(file), "--object", tenant.id)
    waiting = [json.loads(line)["entry"] for line in file.read_text().splitlines()]
    unchained = [json.dumps({"seq": None, "previous_hash": None, "hash": None, "entry": one}) for one in waiting]
    file.write_text("".join(f"{line}\n" for line in unchained))
    ended = await desk.run("audit", "verify", "--file", str(file))
    assert (ended.returncode, "not chained yet" in ended.stderr) == (2, True), ended.stderr
    assert "0 links" in await desk.done("audit", "verify", "--since", f"{seq}:{head}")
    file.write_text("{nonsense\n")
    ended = await desk.run("audit", "verify", "--file", str(file), "--json")
    assert (ended.returncode, json.loads(ended.stdout)["faults"][0]["kind"]) == (1, "unreadable")

    for wrong, said in (
        (("--head", "x"), "--head: must look like"),
        (("--since", "0:" + "0" * 64), "--since: must look like"),
        (("--file", "/nowhere"), "--file: /nowhere: No such file"),
        (("--from-log", str(file)), "there is no audit head in it"),
        (("--partial",), "goes with --file"),
    ):
        ended = await desk.run("audit", "verify", *wrong)
        assert (ended.returncode, said in ended.stderr) == (2, True), ended.stderr
    ended = await desk.run("audit", "verify", DATABASE_URL="postgresql://nobody:x@127.0.0.1:1/x")
    assert (ended.returncode, "does not let us in" in ended.stderr) == (2, True), ended.stderr


async def as_superuser(database_url: str, statement: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(statement)
    await connection.close()
