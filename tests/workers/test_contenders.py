"""What is said of winners, and who is averaged, whatever the split and whoever is trained once more: whole jobs."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from models.artifact import Predictor, write_package
from models.ensemble import mix
from models.evaluate import evaluate
from models.hyper import Hyperparameters
from models.lanes import LaneStart
from models.pack import Pack
from models.prepare import prepare
from models.table import Table
from tests.workers.memory_sink import MemorySink
from tests.workers.races import RATE, CountingSeat, FrailSeat, Race, finished, pair_race
from tests.workers.test_verdict import confidence_of, winner_of
from workers.errors import LeaseLost
from workers.lives import lane_seed
from workers.spec import read_spec, resolve
from workers.teams import part_seed

SPLITS: dict[str, tuple[dict[str, Any], int]] = {
    "holdout": ({"kind": "holdout", "fraction": 0.3}, 1),
    "groups": ({"kind": "holdout", "group": "town", "fraction": 0.3}, 1),
    "column": ({"kind": "column", "column": "part", "values": ["b"]}, 1),
    "time": ({"kind": "time", "column": "day"}, 1),
    "kfold": ({"kind": "kfold", "folds": 3}, 3),
    "group folds": ({"kind": "kfold", "folds": 3, "group": "town"}, 3),
    "column folds": ({"kind": "folds", "column": "part"}, 3),
    "windows": ({"kind": "time", "column": "day", "folds": 2}, 2),
}
"""Every kind of split, with its folds."""
EVERY_JOB = [
    pytest.param(split, repeats, refit, id=f"{split}, {repeats} seeds, {'refit' if refit else 'no refit'}")
    for split in SPLITS
    for repeats in (1, 2)
    for refit in (True, False)
]


@cache
def table() -> Table:
    """Ninety rows of a wave under much noise, in groups, parts and days: networks err each in its own way."""
    rng, n = np.random.default_rng(21), 90
    x, places = rng.normal(size=(n, 2)), np.arange(n)
    names = np.array([f"t{place % 15}" for place in places], dtype=object)
    parts = np.array(["abc"[place % 3] for place in places], dtype=object)
    y = np.sin(2 * x[:, 0]) + x[:, 1] ** 2 + rng.normal(size=n)
    return Table({"a": x[:, 0], "b": x[:, 1], "town": names, "part": parts, "day": places.astype(float), "y": y})


def job_of(split: str, repeats: int, refit: bool, **more: Any) -> Race:
    body = {
        "dataset": "d_1",
        "target": "y",
        "columns": {"include": ["a", "b"]},
        "space": {**RATE, "units": {"type": "choice", "values": [8, 24]}},
        "fixed": {"hidden_layers": 2, "batch_size": 8},
        "split": {"test": {"kind": "fraction"}, "validation": SPLITS[split][0]},
        "algorithm": {"kind": "random"},
        "scheduler": {"kind": "fifo"},
        "budget": {"trials": 8, "epochs_per_trial": 6},
        "repeats": repeats,
        "refit": refit,
        "keep_models": 2,
        "seed": 4,
        **more,
    }
    job = resolve(read_spec(body), table().schema)
    return Race(job, prepare(table(), job.prepare_request()))


def alone(started: Race, member: dict[str, Any], fold: int, repeat: int = 0) -> Predictor:
    """Train one network of a trial by itself, from its seed to the age of its best epoch, without Regatta."""
    hyper = Hyperparameters.model_validate(member["hyperparameters"])
    seed = part_seed(lane_seed(started.job.seed, member["facts"]["trial"]), repeat)
    pack = Pack(started.prepared.job_data, started.job.pack_settings())
    pack.start([LaneStart(0, hyper, seed, fold=fold, patient=True)])
    pack.train({0: member["facts"]["epoch"]})
    pack.keep_best([0])
    return Predictor.from_package(write_package(pack.best_layers(0) or [], hyper, started.prepared, {}, fold))


@pytest.mark.parametrize(("split", "repeats", "refit"), EVERY_JOB)
def test_every_job_has_an_interval_a_bias_and_an_ensemble_that_predicts_what_it_says(
    split: str, repeats: int, refit: bool
) -> None:
    started = job_of(split, repeats, refit)
    data, n_folds = started.prepared.job_data, SPLITS[split][1]
    end, sink = finished(started)
    assert end.state == "succeeded"

    winner, told = winner_of(sink), confidence_of(sink)
    assert winner.origin == ("refit" if refit else "trial")
    assert told["score"] == pytest.approx(winner.objective, rel=1e-5)
    assert told["interval"][0] < told["score"] < told["interval"][1]
    assert told["bias"] == pytest.approx(told["corrected"] - told["score"])
    assert (told["folds"] is None, told["resamples"] is None) == (n_folds == 1, n_folds > 1)
    assert told["rivals"] == 8
    assert told["rows"] == len(np.unique(np.concatenate([fold.valid for fold in data.folds[:n_folds]])))
    assert sum("confidence" in fact.card["facts"] for fact in sink.stored.models.values()) == 1

    fact = sink.stored.ensemble
    assert fact is not None
    members, metrics = fact.card["members"], started.job.metrics
    members = [{**member, "hyperparameters": member["hyperparameters"]} for member in members]
    shares = np.array([member["share"] for member in members])
    by_part: list[dict[str, float]] = []
    for repeat in range(repeats):
        for fold in range(n_folds):
            rows = data.part(data.folds[fold].valid)
            answers = np.stack([alone(started, member, fold, repeat).outputs(rows) for member in members])
            truth, mixed = data.labels[data.folds[fold].valid], mix(answers, shares)
            by_part.append({name: evaluate(name, truth, mixed) for name in metrics})
    for name in metrics:
        assert fact.metrics[name] == pytest.approx(np.mean([part[name] for part in by_part]), rel=1e-9)
    assert fact.objective < winner.objective
    known = fact.card["facts"].get("validation_parts", [{"metrics": dict(fact.metrics)}])
    assert len(known) == n_folds * repeats
    for part, expected in zip(known, by_part, strict=True):
        assert part["metrics"] == pytest.approx(expected, rel=1e-9)

    package = Predictor.from_package(fact.package)
    everyone = data.part(np.arange(len(data.labels)))
    fold_of_models = n_folds if refit else 0
    answers = np.stack([alone(started, member, fold_of_models).outputs(everyone) for member in members])
    np.testing.assert_allclose(package.outputs(everyone), mix(answers, shares), rtol=1e-12)
    assert fact.card["facts"].get("refit") == ("all rows but the test rows" if refit else None)
    if not refit:
        scored = package.evaluate(data.part(data.folds[0].valid), data.labels[data.folds[0].valid], metrics)
        assert scored == pytest.approx(known[0]["metrics"], rel=1e-9), "the first lane's score is that of the package"
    assert started.prepared.test_columns is not None
    assert started.prepared.y_test is not None
    assert fact.test_metrics == package.evaluate(started.prepared.test_columns, started.prepared.y_test, metrics)


@pytest.mark.parametrize(("split", "repeats"), [("holdout", 1), ("groups", 2)])
def test_a_refit_changes_no_word_of_how_sure_the_score_is(split: str, repeats: int) -> None:
    """It was found before the networks were trained once more."""
    with_it, without = (finished(job_of(split, repeats, refit))[1] for refit in (True, False))
    assert confidence_of(with_it) == confidence_of(without)
    assert with_it.stored.ensemble is not None
    assert without.stored.ensemble is not None
    assert with_it.stored.ensemble.metrics == without.stored.ensemble.metrics
    assert with_it.stored.ensemble.package != without.stored.ensemble.package


@pytest.mark.parametrize(
    ("split", "repeats", "refit"), [("holdout", 1, True), ("holdout", 2, False), ("kfold", 2, True), ("time", 2, True)]
)
@pytest.mark.parametrize("scheduler", ["asha", "pbt"])
def test_what_is_lost_on_the_way_changes_nothing(split: str, repeats: int, refit: bool, scheduler: str) -> None:
    started = job_of(split, repeats, refit, scheduler={"kind": scheduler}, early_stopping={"patience": 3})
    _, sink = finished(started)
    expected = sink.rows()
    assert confidence_of(sink)["rivals"] > 1
    for verb in ("best_layers", "keep_best", "train"):
        seats = [FrailSeat(f"seat-{n}", set(range(4 + n, 90, 9)), lambda asked, v=verb: asked == v) for n in range(2)]
        assert finished(started, seats=seats)[1].rows() == expected, verb
    for cut in (1, expected["rounds"]):
        sink = MemorySink(started.job.keep_models, lose_at=cut)
        with pytest.raises(LeaseLost):
            started.run(sink)
        sink.forget_open()
        started.run(sink, record=sink.record())
        sink.close()
        assert sink.rows() == expected


@pytest.mark.parametrize(("split", "repeats"), [("holdout", 2), ("kfold", 1)])
def test_contenders_with_several_lanes_are_not_trained_again(split: str, repeats: int) -> None:
    started, seat = job_of(split, repeats, refit=False), CountingSeat("seat-0")
    _, sink = finished(started, seats=[seat])
    assert sink.stored.ensemble is not None
    assert seat.n_epochs == len(sink.stored.reports) * started.job.lanes_per_trial


def test_winners_and_members_alone_are_trained_once_more() -> None:
    started, seat = job_of("kfold", 1, refit=True), CountingSeat("seat-0")
    _, sink = finished(started, seats=[seat])
    assert sink.stored.ensemble is not None
    members = {member["facts"]["trial"]: member["facts"]["epoch"] for member in sink.stored.ensemble.card["members"]}
    once_more = members | {fact.trial: fact.epoch for fact in sink.stored.models.values()}
    assert seat.n_epochs == 3 * len(sink.stored.reports) + sum(once_more.values())


def test_folds_without_an_ensemble_are_judged_by_their_scores_all_the_same() -> None:
    plain, without = (finished(job_of("kfold", 1, True, **more))[1] for more in ({}, {"ensemble": None}))
    assert confidence_of(plain) == confidence_of(without)
    assert without.stored.ensemble is None
    assert without.rows()["models"] == plain.rows()["models"]


def test_classes_of_folds_are_averaged_by_their_probabilities() -> None:
    labels = np.array(["no", "yes", "maybe"], dtype=object)
    columns = table().columns
    classes = Table({**columns, "y": labels[np.digitize(np.asarray(columns["y"], float), [0.3, 1.3])]})
    body: dict[str, Any] = {
        "dataset": "d_1", "target": "y", "columns": {"include": ["a", "b"]}, "space": RATE, "repeats": 2,
        "fixed": {"units": 6}, "split": {"test": None, "validation": {"kind": "kfold", "folds": 3}}, "seed": 2,
        "budget": {"trials": 8, "epochs_per_trial": 8}, "scheduler": {"kind": "fifo"}, "metrics": ["f1_macro"],
    }  # fmt: skip
    job = resolve(read_spec(body), classes.schema)
    _, sink = finished(Race(job, prepare(classes, job.prepare_request())))
    fact = sink.stored.ensemble
    assert fact is not None
    assert set(fact.metrics) >= {"log_loss", "accuracy", "f1_macro"}
    assert fact.objective < winner_of(sink).objective
    told = fact.card["facts"]["validation_parts"]
    assert [(part["repeat"], part["fold"]) for part in told] == [(r, f) for r in range(2) for f in range(3)]
    assert np.mean([part["metrics"]["f1_macro"] for part in told]) == pytest.approx(fact.metrics["f1_macro"])


@pytest.mark.parametrize("refit", [False, True])
def test_weights_that_are_lost_a_dozen_times_are_there_in_the_end(refit: bool) -> None:
    started, left = pair_race("random", "fifo", repeats=2, refit=refit), [12]

    def dies(verb: str) -> bool:
        left[0] -= verb == "best_layers"
        return verb == "best_layers" and left[0] >= 0

    _, disturbed = finished(started, seats=[FrailSeat("seat-0", set(range(10_000)), dies)])
    assert left[0] < 0
    assert disturbed.rows() == finished(started)[1].rows()
