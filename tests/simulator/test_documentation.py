"""docs/simulator.md says what the simulator can do, no more and no less."""

import json
import os
import re
import subprocess
from pathlib import Path

import httpx
import pytest

from service.simulator.control import people
from service.simulator.control.commands import Command
from service.simulator.operations import OPERATIONS

from .control import SimulatorControl
from .program import Simulator
from .teli import TeliClient

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"


def _table(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    section = PAGE.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip(" |") for cell in row] for row in rows[2:]]


def _names(cell: str) -> list[str]:
    return [name.strip(" `") for name in cell.split(",")]


async def test_the_table_of_faults_is_the_catalogue(control: SimulatorControl) -> None:
    documented = {
        _names(name)[0]: (_names(rows), strikes.replace("`", ""), _names(parameters), summary)
        for name, rows, strikes, parameters, summary in _table("Faults")
    }

    assert documented == {
        fault["name"]: (
            [str(row) for row in fault["rows"]],
            fault["operations"] if fault["operations"] == "any" else ", ".join(fault["operations"]),
            [f"{name}={json.dumps(default)}" for name, default in fault["params"].items()],
            fault["summary"],
        )
        for fault in await control.catalogue()
    }


async def test_the_table_of_switches_names_them_all_with_their_defaults(control: SimulatorControl) -> None:
    documented = {
        name: json.loads(default.strip("`")) for names, default, _ in _table("Switches") for name in _names(names)
    }

    assert documented == await control.switches()


async def test_the_table_of_behaviours_has_every_row_and_names_every_fault(control: SimulatorControl) -> None:
    rows = {row: means for row, _, *means in _table("Behaviours")}

    assert list(rows) == [str(row) for row in range(1, 49)]
    for fault in await control.catalogue():
        for row in fault["rows"]:
            assert f"`{fault['name']}`" in " ".join(rows[str(row)]), f"row {row} does not name {fault['name']}"


async def test_every_fault_can_be_armed_for_every_operation_it_names(control: SimulatorControl) -> None:
    for fault in await control.catalogue():
        for operation in OPERATIONS if fault["operations"] == "any" else fault["operations"]:
            await control.arm(fault["name"], operation=operation)


async def test_the_example_is_armed_and_makes_a_purchase_that_is_recorded(
    simulator: Simulator, control: SimulatorControl, teli: TeliClient
) -> None:
    [example] = re.findall(r"^```sh\n(curl .*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    environment = {**os.environ, "TELI_CONTROL_URL": simulator.control_url}

    subprocess.run(["sh", "-euc", example], env=environment, check=True, capture_output=True, timeout=30)

    with pytest.raises(httpx.TransportError):
        await teli.create("313", nickname="gw-1")
    assert [row["nickname"] for row in await teli.rows()] == ["gw-1"]


def test_the_bodies_of_the_control_interface_are_those_it_takes() -> None:
    documented = {
        path: re.findall(r'"(\w+)"(\??)', body)
        for path, body in re.findall(r"^\| `POST /_control/(\S+)` `{(.*?)}`", PAGE.read_text(), re.MULTILINE)
    }

    bodies: dict[str, type[Command]] = {
        "tenants": people.NewTenant,
        "organizations": people.NewOrganization,
        "users": people.NewUser,
        "agents": people.NewAgent,
        "calls": people.NewCall,
        "dashboard/buy": people.Buy,
        "dashboard/release": people.Release,
        "dashboard/rename": people.Rename,
        "dashboard/link": people.Link,
        "dashboard/move": people.Move,
        "dashboard/record": people.Record,
    }
    for path, model in bodies.items():
        taken = {(name, "" if field.is_required() else "?") for name, field in model.model_fields.items()}
        assert set(documented[path]) == taken, path
