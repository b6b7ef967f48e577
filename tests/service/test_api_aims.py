"""Several objectives and limits over HTTP: the front, who keeps the limits, who wins, on both databases."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import pytest

from models.lanes import LaneReport, Watch
from search.aims import Aims
from search.objective import Objective
from search.trial import TrialReason, TrialState
from service.database import Database
from service.recorder import Recorder
from service.standing import Standings
from service.submission import submit_job
from tests.service.facts import claim, job_of, moved, report, trial_of
from tests.service.test_api_extend import drive, rows_of
from tests.service.test_api_jobs import code_of

SPACE = {
    "learning_rate": {"type": "float", "low": 1e-3, "high": 0.1},
    "units": {"type": "int", "low": 1, "high": 32},
    "hidden_layers": {"type": "int", "low": 0, "high": 2},
}
BODY: dict[str, Any] = {
    "dataset": "diabetes",
    "seed": 4,
    "fixed": {"batch_size": 32},
    "space": SPACE,
    "algorithm": {"kind": "random"},
    "scheduler": {"kind": "asha"},
    "budget": {"trials": 16, "epochs_per_trial": 9},
}
SIZE = {"metric": "n_parameters", "at_most": 200}


def run(database: Database, **changes: Any) -> str:
    """Run a job in this process."""
    job_id = submit_job(database, BODY | changes, None)[0].id
    drive(database, job_id)
    return job_id


def trials_of(api: httpx.Client, job_id: str, **params: Any) -> list[dict[str, Any]]:
    """All pages of a list of trials, three at a time."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = api.get(f"/v1/jobs/{job_id}/trials", params={"limit": 3, **params, **cursor})
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        if answer.json()["next_cursor"] is None:
            return found
        cursor = {"cursor": answer.json()["next_cursor"]}


def dominates(one: dict[str, Any], other: dict[str, Any], names: list[str]) -> bool:
    ours, theirs = ([trial["metrics"][name] for name in names] for trial in (one, other))
    return ours != theirs and all(a <= b for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("limits", [[], [SIZE]], ids=["free", "limited"])
def test_the_front_is_shown_filtered_and_its_models_are_kept(
    api: httpx.Client, database: Database, limits: list[Any]
) -> None:
    names = ["mean_squared_error", "n_parameters"]
    job_id = run(database, objective=names, limits=limits)
    trials = trials_of(api, job_id)
    racing = [trial for trial in trials if not trial["broken"]]
    front = [one for one in racing if not any(dominates(other, one, names) for other in racing)]
    numbers = [trial["number"] for trial in front]
    assert 1 < len(front) < len(racing)
    assert [trial["number"] for trial in trials if trial["front"]] == numbers
    assert [trial["number"] for trial in trials_of(api, job_id, front=True)] == numbers
    assert len(trials_of(api, job_id, front=False)) == len(trials) - len(front)
    ranked = trials_of(api, job_id, front=True, order="objective")
    best = min(front, key=lambda trial: (*(trial["metrics"][name] for name in names), trial["number"]))
    answer = api.get(f"/v1/jobs/{job_id}/best").json()
    assert ranked[0]["number"] == best["number"] == answer["trial"]["number"]
    assert api.get(f"/v1/jobs/{job_id}").json()["best"]["trial"] == best["number"]
    models = api.get(f"/v1/jobs/{job_id}/models").json()["items"]
    assert sorted(model["trial"] for model in models) == numbers
    assert all(api.get(f"/v1/models/{model['id']}/download").status_code == 200 for model in models)
    assert {trial["feasible"] for trial in trials} == ({True, False} if limits else {None})


@pytest.mark.parametrize(
    ("metric", "at_most"),
    [("n_parameters", 200.0), ("r2", 0.5)],
    ids=["a fact", "a metric that is good where it breaks"],
)
def test_a_winner_keeps_the_limits_and_who_breaks_them_stands_behind(
    api: httpx.Client, database: Database, metric: str, at_most: float
) -> None:
    job_id = run(database, limits=[{"metric": metric, "at_most": at_most}])
    ranked = trials_of(api, job_id, order="objective")
    feasible = [trial for trial in ranked if trial["feasible"]]
    assert 0 < len(feasible) < len(ranked)
    assert ranked[: len(feasible)] == feasible == sorted(feasible, key=lambda trial: trial["objective"])
    broken = ranked[len(feasible) :]
    values = [trial["metrics"][metric] for trial in broken]
    assert values == sorted(values)
    assert [trial["broken"] for trial in broken] == [{metric: value - at_most} for value in values]
    best = api.get(f"/v1/jobs/{job_id}/best").json()
    assert best["trial"] == feasible[0]
    assert best["model"]["trial"] == best["trial"]["number"]
    assert metric == "n_parameters" or min(trial["objective"] for trial in broken) < feasible[0]["objective"]
    refused = api.get(f"/v1/jobs/{job_id}/trials", params={"front": True})
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "front")


def test_a_job_in_which_nothing_keeps_the_limits_fails_and_says_who_came_nearest(
    api: httpx.Client, database: Database
) -> None:
    job_id = run(database, limits=[{"metric": "n_parameters", "at_most": 5}])
    job = api.get(f"/v1/jobs/{job_id}").json()
    assert (job["state"], job["reason"], job["best"]) == ("failed", "no_feasible_trial", None)
    assert "none of 16 trials keeps the limits" in job["detail"]
    answer = api.get(f"/v1/jobs/{job_id}/best")
    assert (answer.status_code, code_of(answer)) == (409, "no-model")
    assert "no trial keeps the limits" in answer.json()["detail"]
    assert api.get(f"/v1/jobs/{job_id}/models").json()["items"] == []


def test_an_extended_job_has_the_front_of_one_with_so_many_trials_from_the_start(
    api: httpx.Client, database: Database
) -> None:
    changes: dict[str, Any] = {"objective": ["r2", "multiply_adds"], "parallelism": 3}
    whole = run(database, **changes)
    fewer = run(database, **changes, budget={"trials": 6, "epochs_per_trial": 9})
    assert api.post(f"/v1/jobs/{fewer}/extend", json={"trials": 16}).status_code == 200
    shown = trials_of(api, fewer)
    front = [trial["number"] for trial in shown if trial["front"]]
    signs = [
        {"metrics": {"r2": -t["metrics"]["r2"], "size": t["metrics"]["multiply_adds"]}} for t in shown if t["metrics"]
    ]
    standing = [trial["number"] for trial in shown if trial["metrics"]]
    left = [
        n for n, one in zip(standing, signs, strict=True) if not any(dominates(o, one, ["r2", "size"]) for o in signs)
    ]
    assert front == left, "of what is known after it went back"
    drive(database, fewer)
    assert rows_of(database, fewer) == rows_of(database, whole)


def test_a_plan_says_what_a_job_is_after(api: httpx.Client) -> None:
    plan = api.post(
        "/v1/jobs/preview", json={"dataset": "iris", "objective": ["log_loss", "accuracy"], "limits": [SIZE]}
    ).json()
    assert plan["objective"] == {"name": "log_loss", "maximize": False}
    assert plan["further_objectives"] == [{"name": "accuracy", "maximize": True}]
    assert plan["limits"] == [{"metric": "n_parameters", "at_most": 200.0, "at_least": None}]
    assert plan["metrics"] == ["log_loss", "accuracy", "balanced_accuracy", "n_parameters"]
    facts = api.get("/v1/catalog").json()["facts"]
    assert [fact["name"] for fact in facts] == ["n_parameters", "multiply_adds"]


def test_a_leader_that_breaks_a_limit_at_a_better_epoch_gives_up_the_lead(database: Database) -> None:
    spec = {"metrics": ["log_loss", "accuracy"], "limits": [{"metric": "accuracy", "at_least": 0.5}]}
    held = claim(database, resolved_spec=spec)
    with Recorder(database, held, least_gap_seconds=0.0) as recorder:
        for number, objective in enumerate((0.3, 0.4)):
            recorder.trial(moved(number, TrialState.RUNNING))
            recorder.reports(1, {}, [report(number, 1, objective)])
        recorder.round_ended(1)
        assert job_of(database, held).best_trial == 0
        worse = report(0, 2, 0.1)
        recorder.reports(2, {}, [type(worse)(**{**vars(worse), "values": (0.1, 0.4)})])
        recorder.round_ended(2)
        assert (job_of(database, held).best_trial, trial_of(database, held, 0).objective) == (1, 0.1)
        assert trial_of(database, held, 0).violation == pytest.approx(0.2 / 1.2)
        recorder.trial(moved(1, TrialState.FAILED, TrialReason.ERROR))
        recorder.round_ended(3)
    assert job_of(database, held).best_trial is None


@pytest.mark.parametrize("sizes", [(9, 9, 7, 5, 8), (5, 9, 5, 6, 5), (6, 9, 7, 8, 5)])
def test_of_ties_the_best_by_the_further_objectives_is_listed_first(
    api: httpx.Client, database: Database, sizes: tuple[int, ...]
) -> None:
    further = {"name": "n_parameters", "maximize": False}
    spec = {"metrics": ["log_loss", "n_parameters"], "further_objectives": [further]}
    held = claim(database, resolved_spec=spec)
    with Recorder(database, held, least_gap_seconds=0.0) as recorder:
        for number, size in enumerate(sizes):
            recorder.trial(moved(number, TrialState.RUNNING))
            recorder.reports(1, {}, [LaneReport(number, 1, 1, 0.3, (0.3, float(size)))])
        recorder.round_ended(1)
    best = min(range(5), key=lambda number: (sizes[number], number))
    assert api.get(f"/v1/jobs/{held.job_id}").json()["best"]["trial"] == best
    listed = [trial["number"] for trial in trials_of(api, held.job_id, order="objective")]
    assert listed == [best, *(number for number in range(5) if number != best)]


def test_the_front_moves_with_every_report_as_if_it_were_found_anew() -> None:
    draws = np.random.default_rng(3)
    wishes = tuple(Objective(name=name, maximize=False) for name in ("loss", "size"))
    standings = Standings(Aims(("loss", "size", "watched"), wishes), Watch(2))  # the loss may rise where this one falls
    shown: dict[int, tuple[float, ...]] = {}
    n_moves = 0
    for step in range(400):
        number = int(draws.integers(12))
        trial = standings.of(number)
        values = (float(draws.integers(8)), float(number % 5), 400.0 - step)
        standings.observe(LaneReport(number, trial.n_reports + 1, trial.n_reports + 1, 0.0, values))
        if step % 50 == 49:
            standings.change(moved(number, TrialState.FAILED))
        n_moves += len(standings.move_front([number]))
        shown = {n: one.costs(standings.aims) for n, one in standings.trials.items() if one.competes}
        front = {
            n
            for n, own in shown.items()
            if not any(o != own and o[0] <= own[0] and o[1] <= own[1] for o in shown.values())
        }
        assert {n for n, one in standings.trials.items() if one.front} == front
    assert n_moves > 50
