"""The figures that are kept in `docs`: what another run is compared with, and what the page and its picture show."""

import json
import os
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.paths.line import HEAD, Line

DOCS = Path(__file__).parents[3] / "docs"
KEPT = DOCS / "performance.json"
BEGIN, END = "<!-- ./dev bench --record writes from here -->\n", "<!-- to here -->\n"
# A ratio that is as much worse than the one kept has a reason, which is to be found.
WORSE = 0.25


def machine() -> str:
    """Its cores, and what else they have to do."""
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return f"{os.cpu_count()} cores of {model[1].strip() if model else 'unknown make'}, load {os.getloadavg()[0]:.1f}"


def compared(lines: Iterable[Line], kept: Iterable[Line]) -> list[str]:
    """Of each line whose ratio is worse by more than WORSE than the one kept, what to say of it.

    Nothing where either was too noisy for a verdict.
    """
    before = {line.place: line for line in kept if not line.too_noisy}
    told = []
    for line in lines:
        was = before.get(line.place)
        if was is None or line.too_noisy or line.ratio_floor is None or was.ratio_floor is None:
            continue
        if line.ratio_floor < was.ratio_floor * (1 - WORSE):
            name = f"{line.path}, {line.callers} callers, seller {line.upstream_ms} ms {line.note}".rstrip()
            told.append(f"worse than kept: {name}: {line.ratio_floor:.3f} of the floor, was {was.ratio_floor:.3f}")
    return told


def read() -> list[Line]:
    return [Line.of(one["line"]) for one in _read()]


def record(lines: Iterable[Line], command: str, docs: Path = DOCS) -> None:
    """Put these in place of those kept of the same paths, and make the page and its picture anew."""
    found = {Line.of(one["line"]).place: one for one in _read(docs)}
    about = f"{datetime.now(UTC):%Y-%m-%d}, `{command}`: {machine()}"
    for line in lines:
        found[line.place] = {"measured": about, "line": line.as_json()}
    (docs / KEPT.name).write_text(json.dumps(list(found.values()), indent=1) + "\n")
    page = docs / "performance.md"
    page.write_text(with_figures(page.read_text(), list(found.values())))
    (docs / "images" / "performance.svg").write_text(picture([Line.of(one["line"]) for one in found.values()]))


def with_figures(page: str, kept: Sequence[dict[str, Any]]) -> str:
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    runs: dict[str, list[str]] = {}
    for one in kept:
        runs.setdefault(one["measured"], []).append(Line.of(one["line"]).as_text())
    tables = [f"\nMeasured {run}.\n\n```text\n{HEAD}\n" + "\n".join(lines) + "\n```\n" for run, lines in runs.items()]
    return f"{before}{BEGIN}{''.join(tables)}\n{END}{after}"


def picture(lines: Iterable[Line]) -> str:
    """SVG, to be read on light and dark: how much of the floor each path reaches, beside its goal."""
    # It puts a finder of modules among Python's that none but itself can live with, so it is had as late as can be.
    import pygal
    from pygal.style import Style

    style = Style(
        background="transparent", plot_background="transparent", foreground="#777777", foreground_strong="#777777",
        foreground_subtle="#999999", colors=("#3b82c4", "#d98a2b"), font_family="sans-serif",
        label_font_size=12, major_label_font_size=12, legend_font_size=13, title_font_size=15,
    )  # fmt: skip
    # Two processes are measured beside one.
    drawn = [line for line in lines if line.ratio_floor is not None and line.path != "processes"]
    chart = pygal.HorizontalBar(
        style=style, js=(), width=860, height=120 + 34 * len(drawn), title="Of the floor; 1 is as quick as it",
        print_values=True, value_formatter=lambda value: f"{value:.2f}", range=(0, 1), legend_at_bottom=True,
        show_y_guides=True, no_prefix=True, disable_xml_declaration=True,
    )  # fmt: skip
    # The first is drawn lowest.
    drawn.reverse()
    chart.x_labels = [f"{line.path} ×{line.callers}{f', {line.note}' if line.note else ''}"[:40] for line in drawn]
    chart.add("ours", [round(line.ratio_floor or 0, 3) for line in drawn])
    chart.add("goal", [None if line.goal is None else round(line.goal, 3) for line in drawn])
    # What its tooltips are set up with; there are none.
    return re.sub(r"<script.*?</script>", "", chart.render(), flags=re.DOTALL)


def _read(docs: Path = DOCS) -> list[dict[str, Any]]:
    path = docs / KEPT.name
    kept: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    return kept
