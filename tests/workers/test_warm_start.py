"""What a job begins with: given points, and points and results of earlier jobs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from search.trial import TrialState
from tests.workers.memory_sink import MemorySink
from tests.workers.races import SMALL, Race, finished, race, small_table
from tests.workers.spec_tables import TABLE, refusal_of, resolve_job
from workers.errors import LeaseLost
from workers.resolved import ResolvedJob
from workers.sink import JournalFact
from workers.spec import SpecError, preview, read_spec, resolve
from workers.warm_start import KIND, MOST_EARLIER, Ancestor, AncestorTrial, describe_earlier

RATE = {"type": "float", "low": 1e-3, "high": 1e-1, "log": True}
SPACE = {"learning_rate": RATE, "hidden_layers": {"type": "int", "low": 0, "high": 2}}
WARM = {"warm_start": {"jobs": ["j_a"]}, "space": SPACE}


def trial(number: int, objective: float | None, state: str = "completed", **parameters: Any) -> AncestorTrial:
    given = {"learning_rate": 0.001 * (number + 1), "hidden_layers": 1} | parameters
    return AncestorTrial(number, TrialState(state), given, objective, epochs=7)


TRIALS = [trial(0, 3.0), trial(1, 1.0), trial(2, 2.0), trial(3, None, "diverged"), trial(4, None, "failed")]


def ancestor(*trials: AncestorTrial, name: str = "j_a", **body: Any) -> Ancestor:
    job = resolve_job(**({"space": SPACE} | body))
    return Ancestor(name, job.model_dump(mode="json"), trials or TRIALS)


def warm(*ancestors: Ancestor, **body: Any) -> ResolvedJob:
    given = {"dataset": "d_1", "target": "price", "columns": {"exclude": ["nothing"]}, **WARM, **body}
    return resolve(read_spec(given), TABLE, None, ancestors)


def warm_refusal(*ancestors: Ancestor, **body: Any) -> tuple[str, dict[str, str]]:
    with pytest.raises(SpecError) as refused:
        warm(*ancestors, **body)
    return refused.value.code, {problem.path: problem.message for problem in refused.value.problems}


def test_given_points_are_tried_first_in_order_each_once() -> None:
    points = [{"learning_rate": 0.05}, {"learning_rate": 0.02, "hidden_layers": 2}, {"learning_rate": 0.05}]
    job = resolve_job(space=SPACE, points=[{"parameters": point} for point in points])
    first = [job.decode(encoded) for encoded in job.search_request().initial_points]
    default = job.space.default_point()
    assert first == [default | points[0], points[1], default]
    assert preview(job)["points"] == first[:2]


def test_points_with_a_known_value_are_told_and_not_tried() -> None:
    known = [{"parameters": {"learning_rate": 0.05}, "objective": 0.25}]
    job = resolve_job(space=SPACE, points=known)
    request = job.search_request()
    assert [(one.objective, one.epochs) for one in request.earlier] == [(0.25, job.epochs)]
    assert job.decode(request.earlier[0].point)["learning_rate"] == 0.05
    assert len(request.initial_points) == 1
    blind = resolve_job(space=SPACE, points=known, algorithm={"kind": "random"})
    assert blind.search_request().earlier == []
    assert "random does not learn" in blind.notes[0]


@pytest.mark.parametrize(
    ("point", "path", "words"),
    [
        ({"learning_rate": 0.5}, "points.0.parameters.learning_rate", '0.5 is given, the space has {"log": true'),
        ({"hidden_layers": 1.5}, "points.0.parameters.hidden_layers", "1.5 is given"),
        ({"learning_rte": 0.01}, "points.0.parameters.learning_rte", "allowed: learning_rate, hidden_layers, dropout"),
        ({"batch_size": 999}, "points.0.parameters.batch_size", "is fixed at 32"),
        ({"hidden_layers": 0, "dropout": 0.1}, "points.0.parameters.dropout", "not active at this point"),
    ],
)
def test_points_outside_of_the_space_are_refused_by_name(point: dict[str, Any], path: str, words: str) -> None:
    space = {**SPACE, "dropout": {"type": "float", "low": 0.0, "high": 0.5, "when": {"hidden_layers": {"ge": 1}}}}
    code, problems = refusal_of(space=space, points=[{"parameters": point}])
    assert code == "invalid-space"
    assert list(problems) == [path]
    assert words in problems[path]


def test_more_points_than_trials_and_values_that_are_no_numbers_are_refused() -> None:
    points = [{"parameters": {"learning_rate": rate}} for rate in (0.01, 0.02, 0.03)]
    assert "the job has 2 trials" in refusal_of(space=SPACE, points=points, budget={"trials": 2})[1]["points"]
    infinite = [{"parameters": {}, "objective": float("inf")}]
    assert "points.0.objective" in refusal_of(space=SPACE, points=infinite)[1]


def test_results_are_told_and_the_best_points_tried_first() -> None:
    job = warm(ancestor(), warm_start={"jobs": ["j_a"], "best": 2})
    assert [(known.job, known.trial, known.objective) for known in job.earlier] == [
        ("j_a", 0, 3.0),
        ("j_a", 1, 1.0),
        ("j_a", 2, 2.0),
        ("j_a", 3, 3.0),  # it diverged: the worst of the others
    ]
    assert [point["learning_rate"] for point in job.points] == [0.002, 0.003]
    first = [job.decode(encoded) for encoded in job.search_request(lambda hyper: 2.0).initial_points]
    assert first == [*job.points, job.space.default_point()]
    assert [known.seconds for known in job.search_request(lambda hyper: 2.0).earlier] == [14.0] * 4
    assert job.notes == ["4 results of j_a are told"]
    assert preview(job)["earlier"] == 4
    assert ResolvedJob.model_validate(job.model_dump(mode="json")).earlier == [], "they are kept in the journal"


def test_what_maximises_begins_at_the_highest() -> None:
    job = warm(ancestor(objective="r2"), objective="r2", warm_start={"jobs": ["j_a"], "best": 1})
    assert job.points[0]["learning_rate"] == 0.001
    assert job.earlier[3].objective == 1.0


def test_points_outside_of_the_new_space_are_dropped_with_a_note() -> None:
    narrow = {**SPACE, "learning_rate": {**RATE, "low": 0.0015, "high": 0.0025}}
    job = warm(ancestor(), space=narrow)
    assert [known.trial for known in job.earlier] == [1]
    assert "points outside of this job's space were dropped: learning_rate (3)" in job.notes[0]


def test_what_varied_may_be_fixed_now_and_the_other_way_round() -> None:
    rates_only = warm(ancestor(), space={"learning_rate": RATE}, fixed={"hidden_layers": 1})
    assert len(rates_only.earlier) == 4
    wider = warm(ancestor(), space={**SPACE, "batch_size": {"type": "choice", "values": [16, 32]}})
    assert [known.parameters["batch_size"] for known in wider.earlier] == [32] * 4


def test_networks_that_this_job_cannot_train_give_points_but_no_results() -> None:
    job = warm(ancestor(), space={"learning_rate": RATE}, fixed={"hidden_layers": 2})
    assert job.earlier == []
    assert len(job.points) == 3
    assert "what this job fixes was different" in job.notes[0]


def test_longer_trials_are_no_other_networks() -> None:
    assert len(warm(ancestor(), budget={"epochs_per_trial": 90}).earlier) == 4


@pytest.mark.parametrize(
    ("theirs", "word"),
    [({"objective": "r2"}, "objective 'r2'"), ({"target": "stars", "task": "regression"}, "targets ['stars']")],
)
def test_results_that_do_not_compare_are_refused_by_name_and_their_points_may_be_taken(
    theirs: dict[str, Any], word: str
) -> None:
    code, problems = warm_refusal(ancestor(name="j_b", **theirs))
    assert code == "invalid-request"
    assert "j_b has the " + word in problems["warm_start.jobs.0"]
    assert "set warm_start.results to false" in problems["warm_start.jobs.0"]
    job = warm(ancestor(name="j_b", **theirs), warm_start={"jobs": ["j_b"], "results": False, "best": 1})
    assert job.earlier == []
    assert job.points[0]["learning_rate"] == (0.001 if "objective" in theirs else 0.002)


def test_results_of_another_trainer_do_not_compare() -> None:
    bred = {"trainer": "neuroevolution", "space": {"hidden_layers": SPACE["hidden_layers"]}}
    assert (
        "has the trainer 'mlp', this job 'neuroevolution'" in warm_refusal(ancestor(), **bred)[1]["warm_start.jobs.0"]
    )
    job = warm(ancestor(), **bred, warm_start={"jobs": ["j_a"], "results": False, "best": 1})
    assert (job.earlier, job.points[0]["hidden_layers"]) == ([], 1)
    own = ancestor(trial(0, 3.0), **bred)
    assert len(warm(own, **bred).earlier) == 1


def test_results_of_trials_that_inherited_weights_do_not_compare() -> None:
    bred = ancestor(algorithm={"kind": "evolution", "inherit_weights": True})
    assert "trials of j_a inherited weights" in warm_refusal(bred)[1]["warm_start.jobs.0"]
    job = warm(bred, warm_start={"jobs": ["j_a"], "results": False, "best": 1})
    assert (job.earlier, job.points[0]["learning_rate"]) == ([], 0.002)


def test_results_on_other_data_are_refused() -> None:
    other = replace(ancestor(), spec=ancestor().spec | {"dataset": "d_2"})
    assert "has the dataset 'd_2'" in warm_refusal(other)[1]["warm_start.jobs.0"]


def test_a_warm_start_from_nothing_is_refused() -> None:
    empty = ancestor(trial(0, None, "failed"))
    assert "with a result that fits" in warm_refusal(empty)[1]["warm_start.jobs"]


def test_of_very_many_results_the_best_are_told() -> None:
    many = [trial(n, float(n % 1500), learning_rate=0.01) for n in range(3000)]
    job = warm(ancestor(*many))
    assert len(job.earlier) == MOST_EARLIER
    assert {known.objective for known in job.earlier} == set(map(float, range(500)))
    assert [known.trial for known in job.earlier] == sorted(known.trial or 0 for known in job.earlier)


def test_points_of_jobs_whose_values_do_not_compare_are_taken_in_turn() -> None:
    low = ancestor(trial(0, 0.1), trial(1, 0.2), name="j_a")
    high = ancestor(trial(5, 100.0), trial(6, 50.0), name="j_b", objective="mean_absolute_error")
    job = warm(low, high, warm_start={"jobs": ["j_a", "j_b"], "results": False, "best": 2})
    assert [round(point["learning_rate"], 3) for point in job.points] == [0.001, 0.007]


def grown(parent: Race, sink: MemorySink, **body: Any) -> Race:
    """A job that begins with the results of another one."""
    lives = sink.stored
    best: dict[int, float] = {}
    ages: dict[int, int] = {}
    for (number, _), report in sorted(lives.reports.items()):
        best[number] = min(best.get(number, report.values[0]), report.values[0])
        ages[number] = report.epoch
    trials = [
        AncestorTrial(number, fact.state, fact.parameters, best.get(number), ages.get(number, 0))
        for number, fact in sorted(lives.trials.items())
    ]
    given = {
        "dataset": "d_1",
        "target": "y",
        "space": SMALL,
        "fixed": {"units": 4, "batch_size": 8, "optimizer": "sgd"},
        "split": {"test": {"kind": "fraction", "fraction": 0.2}},
        "warm_start": {"jobs": ["j_a"]},
        **body,
    }
    known = Ancestor("j_a", parent.job.model_dump(mode="json"), trials)
    return replace(parent, job=resolve(read_spec(given), small_table().schema, None, [known]))


BODY = {"budget": {"trials": 8, "epochs_per_trial": 4}, "scheduler": {"kind": "fifo"}, "parallelism": 2}


@pytest.mark.parametrize("kind", ["hyperopt", "gp", "optuna"])
def test_a_job_that_begins_warm_is_replayed_from_its_journal(kind: str) -> None:
    parent = race(algorithm={"kind": "random"}, budget={"trials": 24, "epochs_per_trial": 4})
    _, before = finished(parent)
    child = grown(parent, before, algorithm={"kind": kind}, **BODY)
    _, expected = finished(child)
    assert ("warm-start", child.job.notes[0]) in expected.notes
    _, blind = finished(replace(child, job=child.job.model_copy(update={"earlier": []})))
    assert expected.rows()["segments"] != blind.rows()["segments"], "what was told changes what is proposed"
    stored = ResolvedJob.model_validate_json(child.job.model_dump_json())
    sink = MemorySink()
    sink.journal(JournalFact(0, KIND, describe_earlier(child.job)))
    sink.close()
    sink.lose_at = 5
    with pytest.raises(LeaseLost):
        replace(child, job=stored).run(sink, record=sink.record())
    sink.forget_open()
    replace(child, job=stored).run(sink, record=sink.record())
    sink.close()
    rows = sink.rows()
    assert rows | {"journal": []} == expected.rows()
    assert sum(code == "warm-start" for code, _, _ in sink.stored.notes) == len(child.job.notes)
