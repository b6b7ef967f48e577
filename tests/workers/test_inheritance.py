"""Evolution whose children begin with their parents' weights: who inherits from whom, what it is worth, and that no
disturbance and no replay changes a bit of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

import workers.lives
from search.algorithms.evolution import Evolution
from search.parameters import Interval
from search.plugins import Earlier, SearchRequest
from search.proposals import PARENT
from tests.search.course import started_search
from tests.workers.memory_sink import MemorySink
from tests.workers.races import CountingSeat, Race, finished, race
from tests.workers.spec_tables import refusal_of, resolve_job
from tests.workers.test_disturbances import explore, rows_of
from tests.workers.test_every_job_ends import FOLDS, MAY_DIVERGE
from tests.workers.test_replay import history
from workers.lineage import replay_body
from workers.sink import SegmentFact

GENES: dict[str, Any] = {
    "learning_rate": {"type": "float", "low": 1e-3, "high": 0.1, "log": True},
    "hidden_layers": {"type": "int", "low": 0, "high": 3},
    "units": {"type": "int", "low": 2, "high": 20},
}
SENT = {"dataset": "d_1", "target": "y", "split": {"test": {"kind": "fraction", "fraction": 0.2}}}


def heirs(scheduler: str = "fifo", **body: Any) -> Race:
    """Sixteen trials in generations of four, two at a time."""
    given: dict[str, Any] = {
        "algorithm": {"kind": "evolution", "population_size": 4, "inherit_weights": True},
        "scheduler": {"kind": scheduler},
        "space": GENES,
        "budget": {"trials": 16, "epochs_per_trial": 6},
        "parallelism": None if scheduler == "hyperband" else 2,
        "seed": 1,
    }
    return race(**{**given, **body})


def inherited(sink: MemorySink) -> list[SegmentFact]:
    return [fact for fact in sink.stored.segments.values() if fact.inherits]


@pytest.mark.parametrize("scheduler", ["fifo", "asha", "hyperband"])
def test_children_say_from_whom_they_inherit_and_train_all_their_epochs(scheduler: str) -> None:
    _, sink = finished(heirs(scheduler))
    edges = inherited(sink)
    assert len(edges) > 8
    assert not [fact for fact in edges if fact.trial < 4], "the first generation is random"
    for fact in edges:
        assert fact.source_trial is not None
        assert fact.source_trial < fact.trial
        assert (fact.index, fact.sequence, fact.source_epoch) == (0, 0, 0)
        assert (fact.source_trial, fact.source_sequence) in sink.stored.reports
        assert sink.stored.reports[fact.trial, 1].epoch == 1


def test_a_child_begins_better_than_its_point_does_from_scratch() -> None:
    started = heirs(budget={"trials": 40, "epochs_per_trial": 6})
    _, sink = finished(started)
    children = {fact.trial: dict(fact.parameters) for fact in inherited(sink)}
    alone = heirs(
        algorithm={"kind": "random"},
        points=[{"parameters": point} for point in children.values()],
        budget={"trials": len(children), "epochs_per_trial": 1},
        dedupe=False,
    )
    _, scratch = finished(alone)
    begun = {
        point_of(fact.parameters): scratch.stored.reports[fact.trial, 1] for fact in scratch.stored.segments.values()
    }
    pairs = [
        (sink.stored.reports[child, 1].values[0], begun[point_of(point)].values[0]) for child, point in children.items()
    ]
    with_weights, without = np.array(pairs).T
    assert len(pairs) > 25
    assert np.mean(with_weights) < 0.5 * np.mean(without)
    assert np.mean(with_weights < without) > 2 / 3


def point_of(parameters: Any) -> str:
    return json.dumps(dict(parameters), sort_keys=True)


def test_who_has_diverged_leaves_no_weights() -> None:
    _, sink = finished(heirs(space={**GENES, **MAY_DIVERGE}, max_failed_trials=16))
    diverged = {trial for (trial, _), report in sink.stored.reports.items() if report.outcome == "diverged"}
    assert diverged
    assert not diverged & {fact.source_trial for fact in inherited(sink)}


def test_states_that_the_driver_had_no_room_for_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = {"kind": "evolution", "population_size": 6, "tournament_size": 1, "inherit_weights": True}
    far = heirs(algorithm=algorithm, budget={"trials": 24, "epochs_per_trial": 4}, repeats=2)
    roomy, cramped = CountingSeat("s"), CountingSeat("s")
    sinks = [MemorySink(far.job.keep_models) for _ in range(2)]
    far.run(sinks[0], [roomy])
    monkeypatch.setattr(workers.lives, "MOST_BEQUEATHED", 0)
    far.run(sinks[1], [cramped])
    for sink in sinks:
        sink.close()
    assert sinks[0].rows() == sinks[1].rows()
    assert cramped.n_epochs > roomy.n_epochs + 2 * 24, "lines of ancestors are trained again"


WAYS: list[dict[str, Any]] = [{}, {}, {"repeats": 2}, {"split": FOLDS, "refit": False}, {"split": FOLDS, "refit": True}]


@st.composite
def drawn_heirs(draw: st.DrawFn) -> Race:
    epochs = draw(st.integers(1, 12))
    scheduler = draw(st.sampled_from(["fifo", "asha", "hyperband", "median"]))
    patience = draw(st.none() | st.integers(1, 4))
    return heirs(
        scheduler,
        space={**GENES, **draw(st.sampled_from([{}, MAY_DIVERGE]))},
        budget={"trials": draw(st.integers(5, 14)), "epochs_per_trial": epochs},
        early_stopping=patience and {"patience": patience},
        parallelism=None,
        max_failed_trials=14,
        keep_models=draw(st.integers(1, 3)),
        seed=draw(st.integers(0, 5)),
        fixed={"batch_size": 8, "optimizer": draw(st.sampled_from(["sgd", "adam"])), "dropout": 0.1},
        **draw(st.sampled_from(WAYS)),
    )


def test_no_disturbance_changes_who_inherits_what() -> None:
    explore(drawn_heirs(), n_examples=5, last_round=16, last_call=60)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_no_disturbance_changes_any_job_with_heirs() -> None:
    explore(drawn_heirs(), n_examples=60, last_round=16, last_call=60)


@pytest.mark.parametrize(
    "way", [{}, {"repeats": 2}, {"split": FOLDS, "refit": False}, {"early_stopping": {"patience": 2}}], ids=str
)
def test_every_trial_is_replayed_to_the_bit_through_its_ancestors(way: dict[str, Any]) -> None:
    per_layer = {"type": "int", "low": 2, "high": 20, "per_layer": True}
    space = {**GENES, "units": per_layer, "optimizer": {"type": "choice", "values": ["sgd", "adam"]}}
    started = heirs(space=space, **way)
    _, sink = finished(started)
    longest = 0
    for trial in sink.stored.trials:
        last = max(s for (t, s), r in sink.stored.reports.items() if t == trial and r.outcome in (None, "patience"))
        passages = history(sink, trial, last)
        body = replay_body(started.job, {**SENT, **way}, passages, "again")
        _, again = finished(race(**json.loads(json.dumps(body)), space=None))
        expected, (_, found) = sink.stored.reports[trial, last], max(again.stored.reports.items())
        assert (found.epoch, found.values, found.train_loss) == (expected.epoch, expected.values, expected.train_loss)
        longest = max(longest, len(passages))
    assert longest > 3, "no long line of ancestors: the test shows little"


@pytest.mark.parametrize(
    ("body", "code", "path", "words"),
    [
        ({"trainer": "neuroevolution"}, "invalid-pair", "algorithm.inherit_weights", "no weights that others"),
        ({"scheduler": {"kind": "pbt"}}, "invalid-pair", "algorithm.kind", "pbt"),
        ({"scheduler": {"kind": "pb2"}}, "invalid-pair", "algorithm.kind", "pb2"),
        ({"dedupe": True}, "invalid-request", "dedupe", "evolution copies trials on purpose"),
    ],
    ids=str,
)
def test_where_nothing_can_be_inherited_the_job_is_refused(
    body: dict[str, Any], code: str, path: str, words: str
) -> None:
    given_code, problems = refusal_of(algorithm={"kind": "evolution", "inherit_weights": True}, **body)
    assert words in problems[path]
    assert given_code == code
    assert (
        resolve_job(algorithm={"kind": "evolution"}, trainer=body.get("trainer", "mlp")).algorithm.kind == "evolution"
    )


def test_external_trials_have_no_weights_to_inherit() -> None:
    space = {"x": {"type": "float", "low": 0.0, "high": 1.0}}
    algorithm = {"kind": "evolution", "inherit_weights": True}
    assert "algorithm.inherit_weights" in refusal_of(trainer="external", algorithm=algorithm, space=space)[1]


@pytest.mark.parametrize(
    ("stretches", "path", "words"),
    [
        ([{"inherits": True}], "schedule.0.inherits", "only a later one"),
        ([{}, {"inherits": True, "parameters": {"hidden_layers": 99}}], "schedule.1.parameters.hidden_layers", ""),
        ([{}, {"parameters": {"hidden_layers": 2}}], "schedule.1.parameters.hidden_layers", "cannot change"),
    ],
    ids=str,
)
def test_a_schedule_that_inherits_is_held_to_what_it_can_do(
    stretches: list[dict[str, Any]], path: str, words: str
) -> None:
    schedule = [{"epochs": 2, "parameters": {"hidden_layers": 1}, **stretch} for stretch in stretches]
    assert words in refusal_of(schedule=schedule, space=None)[1][path]


def test_a_parent_from_before_the_job_leaves_no_weights() -> None:
    """Its points are bred on, its weights are not here."""
    space = {"x": Interval(0.0, 1.0)}
    earlier = [Earlier({"x": value}, value) for value in (0.1, 0.2, 0.3, 0.4)]
    request = SearchRequest(space, [], "min", 0, 12, 1, earlier=earlier)
    search = started_search(Evolution(population_size=4, inherit_weights=True), request)
    parents = []
    while trial := search.next_trial():
        parents.append(trial.config.get(PARENT))
        search.on_trial_complete(trial.trial_id, {"objective": trial.config["x"]})
    assert parents[0] is None
    named = [(number, parent) for number, parent in enumerate(parents) if parent is not None]
    assert named
    assert all(0 <= parent < number for number, parent in named)


def test_the_same_rows_come_from_workers_in_process_and_on_ray(seats: list[Any]) -> None:
    started = heirs()
    sink = MemorySink(started.job.keep_models)
    started.run(sink, seats)
    sink.close()
    assert sink.rows() == rows_of(started)
