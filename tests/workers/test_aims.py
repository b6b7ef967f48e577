"""Jobs with several objectives and jobs with limits, on real packs: their front, their winner, and after a crash."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load

from models.lanes import LaneReport
from models.prepare import prepare
from models.table import Table
from search.trial import JobReason, JobState, TrialState
from tests.workers.memory_sink import MemorySink
from tests.workers.races import LEARNS_EARLY, Race, every_pair, finished, pair_race, race
from tests.workers.tellers import Programs, pair_job, run_told
from workers.errors import LeaseLost
from workers.spec import read_spec, resolve
from workers.stops import JobEnd

WIDE: dict[str, Any] = {
    "learning_rate": {"type": "float", "low": 1e-3, "high": 0.3, "log": True},
    "hidden_layers": {"type": "int", "low": 0, "high": 2},
    "units": {"type": "int", "low": 1, "high": 16},
    "normalisation": {"type": "choice", "values": ["none", "batch", "layer"]},
}
TWO = ["mean_squared_error", "n_parameters"]
SMALL_NET = [{"metric": "n_parameters", "at_most": 40}]
MANY = {"budget": {"trials": 24, "epochs_per_trial": 9}, "space": WIDE}


def crossed(**body: Any) -> Race:
    """A job over rows that a network without hidden units learns nothing of."""
    draws = np.random.default_rng(7)
    x = draws.normal(size=(60, 2))
    table = Table({"a": x[:, 0], "b": x[:, 1], "y": x[:, 0] * x[:, 1] + np.sin(3 * x[:, 0])})
    given = {"dataset": "d_1", "target": "y", "fixed": {"batch_size": 8, "optimizer": "adam"}, **MANY, **body}
    job = resolve(read_spec(given), table.schema)
    return Race(job, prepare(table, job.prepare_request()))


def best_reports(started: Race, sink: MemorySink) -> dict[int, LaneReport]:
    """The best epoch of every trial that may win."""
    found: dict[int, LaneReport] = {}
    ended = sink.ends()
    for (number, _), report in sorted(sink.stored.reports.items()):
        ended_well = ended[number][0] in (TrialState.COMPLETED, TrialState.STOPPED)
        if ended_well and (number not in found or report.values[0] < found[number].values[0]):
            found[number] = report
    return found


def points(started: Race, sink: MemorySink) -> dict[int, tuple[float, float]]:
    place = started.job.metrics.index("n_parameters")
    return {number: (one.values[0], one.values[place]) for number, one in best_reports(started, sink).items()}


def true_front(found: dict[int, tuple[float, float]]) -> set[int]:
    """By the definition, in two dimensions."""
    return {
        number
        for number, (a, b) in found.items()
        if not any(c <= a and d <= b and (c, d) != (a, b) for c, d in found.values())
    }


@pytest.mark.parametrize("scheduler", ["fifo", "asha", "hyperband"])
def test_of_two_objectives_the_models_of_the_whole_front_are_kept(scheduler: str) -> None:
    started = crossed(algorithm={"kind": "random"}, scheduler={"kind": scheduler}, objective=TWO)
    end, sink = finished(started)
    found = points(started, sink)
    assert end.reason == JobReason.TRIALS_DONE
    assert set(sink.stored.models) == true_front(found)
    assert 2 < len(sink.stored.models) < len(found)
    assert next(iter(sink.stored.models)) == min(found, key=lambda number: (*found[number], number)), "the winner"
    assert "confidence" in next(iter(sink.stored.models.values())).card["facts"]


@pytest.mark.parametrize("periodic", ["none", "periodic"])
def test_the_number_of_parameters_is_that_of_the_package(periodic: str) -> None:
    started = pair_race(
        "random", "fifo", objective=[*TWO, "multiply_adds"], **MANY, fixed={"numeric_embedding": periodic}
    )
    _, sink = finished(started)
    for number, model in sink.stored.models.items():
        with zipfile.ZipFile(io.BytesIO(model.package)) as archive:
            tensors = load(archive.read("model.safetensors"))
        features = model.card["preprocessing"]["features"]
        trained = [*tensors.values(), *(np.array(feature.get("frequencies", [])) for feature in features)]
        assert model.metrics["n_parameters"] == sum(numbers.size for numbers in trained), number
        weights = sum(tensor.size for name, tensor in tensors.items() if name.endswith("weight"))
        assert model.metrics.get("multiply_adds", weights) == weights
        assert "n_parameters" not in (model.test_metrics or {})


@pytest.mark.parametrize("algorithm", ["random", "hyperopt", "gp"])
def test_the_winner_keeps_the_limits_though_larger_networks_are_better(algorithm: str) -> None:
    kind = {"kind": algorithm, **LEARNS_EARLY.get(algorithm, {})}
    started = race(algorithm=kind, scheduler={"kind": "asha"}, limits=SMALL_NET, **MANY)
    end, sink = finished(started)
    found = points(started, sink)
    feasible = {number: loss for number, (loss, size) in found.items() if size <= 40}
    assert end.state == JobState.SUCCEEDED
    assert 0 < len(feasible) < len(found)
    ranked = sorted(feasible, key=lambda number: (feasible[number], number))
    assert list(sink.stored.models) == ranked[:3]
    assert sink.stored.ensemble is None


def test_a_search_learns_to_keep_the_limits() -> None:
    wide = {**WIDE, "hidden_layers": {"type": "int", "low": 1, "high": 2}}
    options: dict[str, Any] = {"budget": {"trials": 40, "epochs_per_trial": 2}, "space": wide, "limits": SMALL_NET}
    shares = {}
    for kind in ("random", "optuna"):
        started = race(algorithm={"kind": kind}, scheduler={"kind": "fifo"}, parallelism=1, **options)
        sizes = [size for _, size in points(started, finished(started)[1]).values()]
        shares[kind] = sum(size <= 40 for size in sizes[20:])
    assert shares["optuna"] > 2 * shares["random"]


def test_when_nothing_keeps_the_limits_the_job_says_so_and_has_no_winner() -> None:
    limits = [{"metric": "n_parameters", "at_most": 2}, {"metric": "r2", "at_most": 1}]
    end, sink = finished(pair_race("random", "asha", limits=limits))
    assert (end.state, end.reason) == (JobState.FAILED, JobReason.NO_FEASIBLE_TRIAL)
    assert "none of 12 trials keeps the limits" in end.detail
    assert "misses n_parameters by 1" in end.detail
    assert not sink.stored.models


def test_a_goal_is_reached_within_the_limits_only() -> None:
    budget = {"trials": 24, "epochs_per_trial": 9, "stop_at": 1e9}
    end, sink = finished(
        race(algorithm={"kind": "random"}, parallelism=1, **{**MANY, "budget": budget}, limits=SMALL_NET)
    )
    assert end.reason == JobReason.TARGET_REACHED
    (model,) = sink.stored.models.values()
    assert model.metrics["n_parameters"] <= 40


@pytest.mark.parametrize("folded", [False, True])
def test_folds_and_repeats_tell_their_mean_size(folded: bool) -> None:
    split = {"test": None, "validation": {"kind": "kfold", "folds": 2}} if folded else {"test": None}
    started = race(objective=TWO, split=split, repeats=2, budget={"trials": 6, "epochs_per_trial": 3}, space=WIDE)
    _, sink = finished(started)
    assert set(sink.stored.models) == true_front(points(started, sink))
    assert all(len(one.parts) == (4 if folded else 2) for one in best_reports(started, sink).values())


LINE = [{"metric": "n_parameters", "at_most": 10}]
AIMS: list[dict[str, Any]] = [{"objective": TWO}, {"limits": LINE}, {"objective": TWO, "limits": LINE}]


@every_pair
def test_every_pair_ends_and_goes_on_after_a_crash_to_the_same_bits(algorithm: str, scheduler: str) -> None:
    body = AIMS[len(algorithm + scheduler) % 3]
    started = pair_race(algorithm, scheduler, **body)
    _, whole = finished(started)
    assert whole.stored.models, body
    sink = MemorySink(started.job.keep_models, lose_at=max(1, whole.stored.n_rounds - 2), aims=started.job.aims)
    with pytest.raises(LeaseLost):
        started.run(sink)
    sink.forget_open()
    started.run(sink, record=sink.record())
    sink.close()
    assert sink.rows() == whole.rows()


def test_on_pack_actors_the_front_is_the_same(seats: list[Any]) -> None:
    started = crossed(algorithm={"kind": "random"}, objective=TWO)
    assert finished(started)[1].rows() == finished(started, seats=seats)[1].rows()


@pytest.mark.parametrize("algorithm", ["hyperopt", "gp"])
def test_trials_that_are_told_have_any_objectives_and_limits(algorithm: str) -> None:
    wishes = [{"name": "loss", "maximize": False}, {"name": "hits", "maximize": True}]
    job = pair_job(algorithm, "asha", objective=wishes, limits=[{"metric": "memory", "at_most": 2}])
    assert job.metrics == ["loss", "hits", "memory"]

    def also(parameters: dict[str, Any]) -> dict[str, float]:
        return {"hits": 10 * parameters["learning rate"], "memory": float(parameters["a/b"])}

    def run(sink: MemorySink, **options: Any) -> JobEnd:
        return run_told(job, sink, Programs(sink, also=also), **options)

    whole = MemorySink(aims=job.aims)
    assert run(whole).state == JobState.SUCCEEDED
    whole.close()
    sink = MemorySink(aims=job.aims, lose_at=whole.stored.n_rounds // 2)
    with pytest.raises(LeaseLost):
        run(sink)
    sink.forget_open()
    run(sink, record=sink.record())
    sink.close()
    assert sink.rows() == whole.rows()
