"""From runs to figures, table and plot. No system is started here."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scipy.stats import spearmanr

from benchmarks import plots
from benchmarks.peer_systems import OURS, SEEKERS
from benchmarks.peer_systems.task import Reached, Searched
from benchmarks.results import spread

Panel = tuple[dict[str, dict[str, float]], str, str]
"""Groups of bars, their unit, a title."""


class Run(NamedTuple):
    """One search of one system; `drawn_for` is the size of the list it took, or took a prefix of."""

    system: str
    drawn_for: int
    found: Searched

    @property
    def n_trials(self) -> int:
        return len(self.found.points)

    @property
    def ms_per_trial(self) -> float:
        return self.found.seconds / self.n_trials * 1e3

    @property
    def ms_after_start(self) -> float:
        return (self.found.seconds - self.found.start_seconds) / self.n_trials * 1e3


def summarise(runs: Sequence[Run], setups: Mapping[str, str]) -> dict[str, Any]:
    """Give time, scores and the ratio to ours, by system and number of trials."""
    grouped: dict[tuple[str, int], list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.drawn_for):
        grouped.setdefault((run.system, run.drawn_for), []).append(run)
    ours = {size: found for (system, size), found in grouped.items() if system == OURS}
    systems: dict[str, Any] = {name: {"setup": setups[name], "by_trials": {}} for name, _ in grouped}
    for (system, _), found in grouped.items():
        systems[system]["by_trials"][str(found[0].n_trials)] = _summarise_size(found, ours)
    return systems


def _summarise_size(runs: Sequence[Run], ours: Mapping[int, Sequence[Run]]) -> dict[str, Any]:
    last = runs[-1]
    figures: dict[str, Any] = {"ms_per_trial": spread([run.ms_per_trial for run in runs])}
    if last.found.start_seconds:
        figures["ms_per_trial_after_start"] = spread([run.ms_after_start for run in runs])
    for name, best in (("log_loss", min), ("accuracy", max)):
        values = [getattr(score, name) for score in last.found.scores]
        figures[name] = {"best": round(best(values), 4), "mean": round(statistics.mean(values), 4)}
    if last.system != OURS and last.drawn_for in ours:
        figures["times_ours"] = _times_ours(runs, ours)
        figures["beside_ours"] = _agreement(last.found, ours[last.drawn_for][-1].found)
    return figures


def _times_ours(runs: Sequence[Run], ours: Mapping[int, Sequence[Run]]) -> dict[str, float]:
    """Divide medians; a prefix is compared with our jobs of every size, a whole list with ours of its own."""
    is_prefix = runs[0].n_trials < runs[0].drawn_for
    sizes = list(ours) if is_prefix else [runs[0].drawn_for]
    return {str(size): round(_median(runs) / _median(ours[size]), 1) for size in sizes}


def _median(runs: Sequence[Run]) -> float:
    return statistics.median(run.ms_per_trial for run in runs)


def _agreement(peer: Searched, ours: Searched) -> dict[str, float]:
    """Compare scores point by point: mean differences, and the rank correlation of the log losses."""
    pairs = list(zip(peer.scores, ours.scores, strict=False))  # a peer's list may be a prefix
    figures = {
        "log_loss_difference": round(statistics.mean(p.log_loss - o.log_loss for p, o in pairs), 4),
        "accuracy_difference": round(statistics.mean(p.accuracy - o.accuracy for p, o in pairs), 4),
    }
    if len(pairs) > 2:
        losses = [p.log_loss for p, _ in pairs], [o.log_loss for _, o in pairs]
        figures["rank_correlation"] = round(float(spearmanr(*losses)[0]), 3)
    return figures


def find_fastest(systems: Mapping[str, Any]) -> dict[str, Any]:
    """Name the fastest peer for every number of trials that ours ran, with its ratio to ours."""
    ratios = [
        (ratio, size, name)
        for name, system in systems.items()
        for of in system["by_trials"].values()
        for size, ratio in of.get("times_ours", {}).items()
    ]
    sizes = sorted({size for _, size, _ in ratios}, key=int)
    fastest = {size: min(found for found in ratios if found[1] == size) for size in sizes}
    return {size: {"system": name, "times_ours": ratio} for size, (ratio, _, name) in fastest.items()}


def summarise_sought(sought: Mapping[str, Sequence[Reached]], target: float, limit_seconds: float) -> dict[str, Any]:
    """Give the time to the target; a search that was cut off counts with the limit."""
    systems = {
        name: {
            "algorithm": SEEKERS[name].algorithm,
            "seconds": spread([limit_seconds if one.seconds is None else one.seconds for one in found]),
            "reached": sum(one.seconds is not None for one in found),
            "trials": spread([one.trials for one in found], 0),
        }
        for name, found in sought.items()
    }
    return {"log_loss": round(target, 4), "limit_seconds": limit_seconds, "systems": systems}


def print_table(systems: Mapping[str, Any]) -> None:
    """Print what the README's table is made of."""
    print("| system | trials | ms per trial | times ours | best, mean log loss | best, mean accuracy |")
    print("|---|---|---|---|---|---|")
    for name, system in systems.items():
        for size, of in system["by_trials"].items():
            ratios = " / ".join(f"{ratio:g}" for ratio in of.get("times_ours", {}).values())
            scores = [f"{of[metric]['best']:.3f}, {of[metric]['mean']:.3f}" for metric in ("log_loss", "accuracy")]
            print(f"| {name} | {size} | {of['ms_per_trial']['median']:.1f} | {ratios} | {scores[0]} | {scores[1]} |")


def plot(figures: Mapping[str, Any], path: Path) -> None:
    """Draw the times per trial, and the times to the score, as far as they were measured."""
    panels = [_times_of_trials(figures["systems"])] if figures["systems"] else []
    panels += [_times_to_score(figures["to_score"])] if "to_score" in figures else []
    n_rows = max(sum(map(len, groups.values())) + len(groups) for groups, _, _ in panels)
    figure, all_axes = plots.open_axes(5.5 * len(panels), 1 + plots.ROW_INCHES * n_rows, len(panels))
    for axes, (groups, unit, title) in zip(all_axes, panels, strict=True):
        plots.draw_bars(axes, groups, [name for name in groups if name.startswith(OURS)], unit)
        axes.set_title(title)
    plots.save(figure, path)


def _times_of_trials(systems: Mapping[str, Any]) -> Panel:
    groups = {
        name: {f"{size} trials": of["ms_per_trial"]["median"] for size, of in system["by_trials"].items()}
        for name, system in systems.items()
    }
    return groups, "ms", "digits, 10 epochs: milliseconds per trial"


def _times_to_score(to_score: Mapping[str, Any]) -> Panel:
    groups = {
        name: {f"{of['reached']} of {of['seconds']['runs']}": of["seconds"]["median"]}
        for name, of in to_score["systems"].items()
    }
    return groups, "s", f"seconds to a log loss of {to_score['log_loss']:g}, and how often"
