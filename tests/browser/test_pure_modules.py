"""The dashboard's pure modules, run in a browser: events to state, arrays to figures, form to body."""

from __future__ import annotations

from collections.abc import Callable
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


@pytest.mark.parametrize(("maximize", "leader"), [(False, 1), (True, 0)])
def test_the_leader_follows_the_objectives_direction(run: Run, maximize: bool, leader: int) -> None:
    events = [TRIAL, OTHER, reports([0, 1, 1, 0.9, 1.0], [1, 1, 1, 0.4, 1.0])]
    script = "(() => {const r = m.createRace({resolved_spec: {objective: {maximize: a[0]}}}); "
    script += "m.applyEvents(r, a[1]); return m.leaderOf(r).number})()"
    assert run("state.js", script, [maximize, events]) == leader


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
        "rows": [{"name": "dropout", "mode": "preset"}, {"name": "units", "mode": "choice", "values": "32, 64"}],
        "algorithm": {"kind": "random"}, "scheduler": {"kind": "fifo"}, "objective": None, "seed": None,
        "budget": {"trials": 4, "epochs_per_trial": None, "seconds": None}, "patience": 10, "split_column": None,
    }  # fmt: skip
    assert run("job_body.js", "m.buildBody(a)", draft) == {
        "dataset": "iris",
        "target": "species",
        "space": {"units": {"type": "choice", "values": [32, 64]}},
        "algorithm": {"kind": "random"},
        "scheduler": {"kind": "fifo"},
        "budget": {"trials": 4},
    }
