"""The dashboard's pure modules, run in a browser: events to state, arrays to figures, form to body."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest
from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
OpenPage = Callable[..., Page]
Run = Callable[..., Any]


@pytest.fixture
def run(open_page: OpenPage) -> Run:
    """Call an expression over one of the dashboard's modules `m` and the arguments `a`."""
    page = open_page("/")

    def call(module: str, expression: str, argument: Any = None) -> Any:
        body = f"async (a) => {{ const m = await import('/static/js/{module}'); return {expression}; }}"
        return page.evaluate(body, argument)

    return call


def reports(*rows: list[Any]) -> dict[str, Any]:
    columns = ["trial", "sequence", "epoch", "objective", "train_loss"]
    return {"id": 5, "type": "reports", "data": {"round": 1, "columns": columns, "rows": list(rows)}}


TRIAL = {"id": 4, "type": "trial", "data": {"number": 0, "state": "running", "parameters": {}, "objective": None}}
OTHER = {**TRIAL, "data": {**TRIAL["data"], "number": 1}}  # type: ignore[dict-item]


def test_a_trial_is_valued_at_its_best_epoch_and_not_at_its_best_value_where_the_service_says_so(run: Run) -> None:
    told = reports([0, 1, 1, 3.0, 3.0, 3.0], [0, 2, 2, 2.0, 2.0, 3.0], [0, 3, 3, 4.0, 2.0, 4.0])
    told["data"]["columns"].append("best")
    ended = {**TRIAL, "data": {**TRIAL["data"], "objective": 4.0, "spread": 0.25}}  # type: ignore[dict-item]
    script = "(() => {const r = m.createRace({}); m.applyEvents(r, a); const t = r.trials.get(0); "
    script += "return [m.objectiveOf(r, t), r.curves.get(0).bestEpoch, m.spreadOf(r, t)]})()"
    assert run("state.js", script, [TRIAL, told, ended]) == [4.0, 3, 0.25]
    assert run("format.js", "m.withSpread(0.92, 0.0123)") == "0.92 ± 0.012"
    assert run("format.js", "m.withSpread(0.92, null)") == "0.92"


def test_repeated_events_change_nothing(run: Run) -> None:
    events = [TRIAL, reports([0, 1, 1, 3.0, 3.0], [0, 2, 2, 2.0, 2.0], [0, 3, 3, None, None])]
    script = "(() => {const r = m.createRace({}); for (const _ of [1, 2]) m.applyEvents(r, a); "
    script += "return [r.cursor, r.trials.size, r.curves.get(0).values, m.objectiveOf(r, r.trials.get(0))]})()"
    assert run("state.js", script, events) == [5, 1, [3.0, 2.0, None], 2.0]


def test_a_trial_of_an_extended_job_goes_back_to_the_reports_that_still_count(run: Run) -> None:
    events = [TRIAL, reports([0, 1, 1, 3.0, 3.0], [0, 2, 2, 2.0, 2.0], [0, 3, 3, 1.0, 1.0])]
    back = {**TRIAL, "id": 6, "data": {**TRIAL["data"], "n_reports": 2}}  # type: ignore[dict-item]
    script = "(() => {const r = m.createRace({}); m.applyEvents(r, a); "
    script += "return [r.curves.get(0).values, m.objectiveOf(r, r.trials.get(0))]})()"
    assert run("state.js", script, [*events, back]) == [[3.0, 2.0], 2.0]


@pytest.mark.parametrize(("maximize", "leader"), [(False, 1), (True, 0)])
def test_the_leader_follows_the_objectives_direction(run: Run, maximize: bool, leader: int) -> None:
    events = [TRIAL, OTHER, reports([0, 1, 1, 0.9, 1.0], [1, 1, 1, 0.4, 1.0])]
    script = "(() => {const r = m.createRace({resolved_spec: {objective: {maximize: a[0]}}}); "
    script += "m.applyEvents(r, a[1]); return m.leaderOf(r).number})()"
    assert run("state.js", script, [maximize, events]) == leader


@pytest.mark.parametrize(("best", "leader"), [(None, 0), (1, 1), (2, 0)])
def test_of_ties_the_best_of_the_service_leads_else_the_first(run: Run, best: int | None, leader: int) -> None:
    """Trial 2 has been overtaken since the service told of the job."""
    third = {**TRIAL, "data": {**TRIAL["data"], "number": 2}}  # type: ignore[dict-item]
    events = [third, OTHER, TRIAL, reports([2, 1, 1, 0.5, 1.0], [1, 1, 1, 0.4, 1.0], [0, 1, 1, 0.4, 1.0])]
    script = "(() => {const r = m.createRace({best: a[0] === null ? null : {trial: a[0]}}); "
    script += "m.applyEvents(r, a[1]); return m.leaderOf(r).number})()"
    assert run("state.js", script, [best, events]) == leader


def test_an_ensemble_is_no_best_model_and_a_model_told_again_takes_its_place(run: Run) -> None:
    def model(name: str, objective: float, origin: str = "trial", sha256: str = "a") -> dict[str, Any]:
        return {
            "id": 9,
            "type": "model",
            "data": {"id": name, "objective": objective, "origin": origin, "sha256": sha256},
        }

    events = [model("m1", 0.5), model("m2", 0.3), model("m3", 0.2, "ensemble"), model("m2", 0.3, sha256="b")]
    script = "(() => {const r = m.createRace({}); m.applyEvents(r, a); "
    script += "return [m.bestModel(r).id, m.bestModel(r).sha256, m.ensembleOf(r).id, r.models.length]})()"
    assert run("state.js", script, events) == ["m2", "b", "m3", 3]


def test_a_score_is_told_with_its_interval_and_without_the_luck_of_selection(run: Run) -> None:
    told = {"score": 0.912, "level": 0.95, "interval": [0.89, 0.93], "corrected": 0.905}
    assert run("format.js", "m.confidence(a)", told) == "0.912, 95 % 0.89–0.93, after selection 0.905"
    unknown = {**told, "interval": None, "corrected": None}
    assert run("format.js", "m.confidence(a)", unknown) == "0.912"
    assert run("format.js", "m.confidence(a)", None) == ""


def test_best_so_far_ignores_what_is_missing(run: Run) -> None:
    assert run("charts/history.js", "m.bestSoFar(a, false)", [None, 3, 5, None, 2]) == [None, 3, 3, 3, 2]
    assert run("charts/history.js", "m.bestSoFar(a, true)", [None, 3, 5, None, 2]) == [None, 3, 5, 5, 5]


@pytest.mark.parametrize("maximize", [False, True])
def test_the_band_of_random_search_is_that_of_all_ways_to_draw(run: Run, maximize: bool) -> None:
    values = [0.3, 4.0, -1.0, 2.5, 2.5, 7.0, 0.9]
    found = run("charts/history.js", "m.expectedBest(a[0], a[1])", [values, maximize])
    for n, told in enumerate(found, start=1):
        best = sorted((max if maximize else min)(drawn) for drawn in combinations(values, n))
        assert told["middle"] == pytest.approx(sum(best) / len(best))
        tenth, last_tenth = (best[math.ceil(share * len(best) - 1e-9) - 1] for share in (0.1, 0.9))
        assert (told["low"], told["high"]) == ((last_tenth, tenth) if maximize else (tenth, last_tenth))
    assert len(found) == len(values)


def test_the_band_is_drawn_from_the_random_trials_only(run: Run) -> None:
    points = [{"number": n, "value": v, "state": "completed"} for n, v in enumerate([9.0, 3.0, 1.0, None, 0.5])]
    script = "m.historyFigure(a, {random: {first: 1, count: 3}}, {state: {}}).data.map((t) => [t.x, t.y])"
    assert run("charts/history.js", script, points)[:3] == [[[1, 2], y] for y in ([1, 1], [3, 1], [2, 1])]
    script = "m.historyFigure(a, {random: {first: 1, count: 0}}, {state: {}}).data.length"
    assert run("charts/history.js", script, points) == 2


def test_a_trial_with_a_single_report_is_a_dot_of_the_race(run: Run) -> None:
    lines = [
        {"number": 0, "state": "stopped", "epochs": [1], "values": [0.9], "best": 0.9},
        {"number": 1, "state": "stopped", "epochs": [1, 2], "values": [0.8, 0.7], "best": 0.7},
        {"number": 2, "state": "running", "epochs": [1, 2, 3], "values": [0.8, 0.6, 0.5], "best": 0.5},
    ]
    theme = {"state": {"stopped": "#888888", "running": "#1f6feb"}}
    ends = run("charts/curves.js", "m.curvesFigure(a[0], {}, a[1]).data.find((t) => t.name === 'ends')", [lines, theme])
    assert (ends["customdata"], ends["x"], ends["y"]) == ([0, 2], [1, 3], [0.9, 0.5])
    assert all(size > 0 for size in ends["marker"]["size"])


def test_curves_of_one_state_are_one_trace_with_gaps_also_where_weights_grow_younger(run: Run) -> None:
    lines = [
        {"number": 3, "state": "stopped", "epochs": [1, 2], "values": [4, 3], "best": 3},
        {"number": 7, "state": "stopped", "epochs": [1, 2, 2], "values": [4, 3, 2], "best": 2},
    ]
    theme: dict[str, Any] = {"state": {}}
    script = "m.curvesFigure(a[0], {}, a[1]).data.find((trace) => trace.name === 'stopped')"
    trace = run("charts/curves.js", script, [lines, theme])
    assert trace["x"] == [1, 2, None, 1, 2, None, 2, None]
    assert trace["customdata"] == [3, 3, 3, 7, 7, 7, 7, 7]


def test_a_heavy_race_is_thinned_and_keeps_ends_runners_and_the_best(run: Run) -> None:
    script = """m.lighten(Array.from({length: a}, (_, number) => ({
        number, best: a - number, state: number === 5 ? 'running' : 'stopped',
        epochs: Array.from({length: 100}, (_, e) => e + 1), values: Array.from({length: 100}, (_, e) => 1 / e)})))
        .map((line) => [line.number, line.values.length, line.epochs.at(-1)])"""
    light = run("charts/curves.js", script, 2000)
    assert sum(length for _, length, _ in light) <= 14_000
    assert {5, 1999} <= {number for number, _, _ in light}
    assert {last for _, _, last in light} == {100}


def test_wrecks_do_not_set_the_range_of_the_axis(run: Run) -> None:
    low, high = run("charts/theme.js", "m.robustRange(a, {maximize: false})", [*[1 + i / 100 for i in range(100)], 1e9])
    assert low < 1
    assert high < 3


@pytest.mark.parametrize("n_bad", [4, 20])
def test_whatever_an_axis_shows_decides_whether_it_is_a_log_axis(run: Run, n_bad: int) -> None:
    """Few bad values that the axis shows, or leaves out, must not squeeze the race into its lowest part."""
    values = [*[1.6 + i / 70 for i in range(76 - n_bad)], *[14.0] * n_bad]
    is_log, (_, high) = run("charts/theme.js", "[m.prefersLog(a), m.robustRange(a)]", values)
    assert is_log == (high > 8)


@pytest.mark.parametrize(("worst", "most"), [(5.0, 12), (9e2, 12), (1e5, 9), (1e16, 9), (1e100, 9)])
def test_a_log_axis_has_ticks_for_one_decade_and_for_a_hundred(run: Run, worst: float, most: int) -> None:
    axis = "m.valueAxis({}, 'loss', a, {maximize: false, log: true, share: 1})"
    found = run("charts/theme.js", axis, [1.0, worst])
    low, high = found["range"]
    seen = [value for value in found["tickvals"] if low <= math.log10(value) <= high]
    assert 4 <= len(seen) <= most
    assert len(found["ticktext"]) == len(found["tickvals"]) == len(set(found["ticktext"]))


def test_a_problem_finds_its_field_by_the_longest_path(run: Run) -> None:
    paths = ["space.learning_rate", "budget.trials", "algorithm", "algorithm.gamma", "split.test"]
    found = [
        run("job_body.js", "m.nearestPath(a[0], a[1])", [path, paths])
        for path in ("space.learning_rate.low", "budget.trials", "algorithm.kind", "split", "labels.x")
    ]
    assert found == ["space.learning_rate", "budget.trials", "algorithm", "split.test", None]


def test_the_body_says_only_what_differs_from_the_defaults(run: Run) -> None:
    draft = {
        "name": "", "dataset": "iris", "target": ["species"], "exclude": [], "task": "auto", "preset": None,
        "rows": [{"name": "dropout"}, {"name": "units", "parameter": {"type": "choice", "values": [32, 64]}}],
        "settings": {"algorithm": {"kind": "random"}, "budget": {"trials": 4}, "ensemble": None},
        "more": {"space": {"units.1": {"type": "int", "low": 1, "high": 9}}, "seed": 3},
    }  # fmt: skip
    assert run("job_body.js", "m.buildBody(a)", draft) == {
        "dataset": "iris",
        "target": "species",
        "space": {"units": {"type": "choice", "values": [32, 64]}, "units.1": {"type": "int", "low": 1, "high": 9}},
        "seed": 3,
        "algorithm": {"kind": "random"},
        "budget": {"trials": 4},
        "ensemble": None,
    }


RATE = {"type": "float", "low": 0.1, "high": 1, "when": {"a": {"ge": 1, "le": 3}, "b": 2}}


@pytest.mark.parametrize(
    ("is_own", "after", "sent"),
    [
        (True, RATE, None),
        (
            True,
            {**RATE, "high": 2, "when": {"a": {"ge": 2}}},
            {"high": 2, "when": {"a": {"ge": 2, "le": None}, "b": None}},
        ),
        (True, {"type": "int", "low": 1, "high": 1}, {"type": "int", "low": 1, "when": None, "log": None}),
        (False, {**RATE, "low": 0.2}, {**RATE, "low": 0.2}),
    ],
)
def test_an_edit_is_the_patch_that_makes_one_parameter_of_the_other(
    run: Run, is_own: bool, after: dict[str, Any], sent: Any
) -> None:
    """What the editor does not show (a log that is false) goes with a type that has no place for it."""
    entry = RATE | {"log": False}
    found = run(
        "space_patch.js", "m.changeOf(a[0], a[1], a[2]) ?? null", [{"entry": entry, "isOwn": is_own}, RATE, after]
    )
    assert found == sent


def test_the_space_of_a_job_is_what_was_written_and_the_rest_of_its_preset(run: Run) -> None:
    job: dict[str, Any] = {
        "spec": {"preset": "p", "space": {"units": RATE, "depth.1": RATE}},
        "resolved_spec": {"trainer": "t", "space": {"lr": {}, "units.1": {}, "units.2": {}, "depth.1": {}}},
    }
    ready = {"name": "p", "trainer": "t", "space": {"lr": {"type": "float", "default": 0.1}, "gone": {"type": "int"}}}
    found = run("space_patch.js", "m.currentSpace(a[0], {trainers: [], presets: [a[1]]})", [job, ready])
    assert [(item["name"], item["isOwn"]) for item in found] == [("lr", False), ("units", True), ("depth.1", True)]
    assert found[0]["entry"] == {"type": "float", "default": None}


def test_the_way_of_the_leader_runs_along_the_trials_that_its_weights_have_passed(run: Run) -> None:
    copies = [
        {"trial": 2, "source_trial": 0, "source_epoch": 4, "round": 3},
        {"trial": 1, "source_trial": 2, "source_epoch": 8, "round": 5},
        {"trial": 4, "source_trial": 1, "source_epoch": 0, "round": 5, "inherits": True},
    ]
    passages = [{"trial": 0, "round": None}, {"trial": 2, "round": 3}, {"trial": 1, "round": 5}]
    theme = {"muted": "#777", "accent": "#00f", "leader": "#f00", "line": "#ddd", "ink": "#000", "font": "sans-serif"}
    script = "m.lineageFigure(a.copies, a.passages, 3, a.theme).data"
    links, marks, way = run("charts/lineage.js", script, {"copies": copies, "passages": passages, "theme": theme})
    assert (links["x"], links["y"]) == ([3, 3, None, 5, 5, None, 5, 5, None], [0, 2, None, 2, 1, None, 1, 4, None])
    assert marks["text"][1:] == ["trial 1 goes on from trial 2, epoch 8", "trial 4 inherits from trial 1"]
    assert (way["x"], way["y"]) == ([0, 3, 3, 5, 5, 5], [0, 0, 2, 2, 1, 1])


def column(name: str, *classes: Any) -> dict[str, Any]:
    return {"name": name, "classes": list(classes) or None}


@pytest.mark.parametrize(
    ("columns", "suggested"),
    [
        ([column("a"), column("kind", "test", "train")], None),
        ([column("part", "a", "b")], {"column": "part", "parts": {}}),
        (
            [column("fold", 0, 1, 2), column("price")],
            {"column": "fold", "parts": {"validation": {"kind": "folds", "column": "fold"}}},
        ),
        (
            [column("fold", 0, 1), column("Split", "Testing", "train", "val")],
            {
                "column": "Split",
                "parts": {
                    "test": {"kind": "column", "column": "Split", "values": ["Testing"]},
                    "validation": {"kind": "column", "column": "Split", "values": ["val"]},
                },
            },
        ),
    ],
)
def test_a_table_suggests_its_split(run: Run, columns: list[Any], suggested: Any) -> None:
    assert run("job_body.js", "m.suggestSplit(a)", columns) == suggested
