"""Drawing that the benchmarks share: small SVG files, the same bytes for the same figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PEER_COLORS = ("#57606a", "#8c959f", "#c4cad0")
OURS_COLORS = ("#0a3069", "#1f6feb", "#80b3ff")
ROW_INCHES = 0.22


def open_axes(width: float, height: float, n_columns: int = 1) -> tuple[Any, Sequence[Any]]:
    """Open a figure of so many inches; return it with its axes from left to right."""
    from matplotlib import pyplot

    pyplot.rcParams.update({"svg.hashsalt": "regatta", "svg.fonttype": "none", "font.size": 8})
    figure, grid = pyplot.subplots(1, n_columns, figsize=(width, height), layout="constrained", squeeze=False)
    for axes in grid[0]:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, list(grid[0])


def draw_bars(axes: Any, groups: Mapping[str, Mapping[str, float]], ours: Sequence[str], unit: str) -> None:
    """Draw a group of bars per system on a logarithmic axis, each with its value and its name; `ours` are coloured.

    Shapes: groups {system: {name of a bar: value}}, all values above 0.
    """
    place, ticks = 0.0, []
    for system, values in groups.items():
        colors = OURS_COLORS if system in ours else PEER_COLORS
        ticks.append(place + (len(values) - 1) / 2)
        for number, (name, value) in enumerate(values.items()):
            axes.barh(place, value, 0.85, color=colors[number % len(colors)])
            digits = 0 if value >= 10 else 1
            axes.text(value, place, f" {value:,.{digits}f} {unit}, {name}", va="center", fontsize=6.5)
            place += 1
        place += 0.8
    axes.set_yticks(ticks, list(groups))
    axes.invert_yaxis()
    axes.set_xscale("log")
    known = [value for values in groups.values() for value in values.values()]
    axes.set_xlim(min(known) / 4, max(known) * 8)  # room for the shortest bar and for the longest one's text


def save(figure: Any, path: Path) -> None:
    """Write an SVG without a date."""
    from matplotlib import pyplot

    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
