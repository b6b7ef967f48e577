from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.discovery import ALGORITHMS
from tests.workers.spec_tables import TABLE, refusal_of, table_of
from workers.spec import JobSpec, ResolvedJob, SpecError, preview, read_spec, resolve
from workers.trainers import TRAINERS

RATE = {"type": "float", "low": 1e-3, "high": 1e-1, "log": True}
KFOLD = {"validation": {"kind": "kfold", "folds": 3}}


def marked(part: str, column: str, *values: Any) -> dict[str, Any]:
    return {part: {"kind": "column", "column": column, "values": list(values)}}


REFUSED: list[tuple[dict[str, Any], str, str, str]] = [
    # body, code, path, words of the message
    ({"nam": "x"}, "invalid-request", "nam", "did you mean name"),
    ({"budget": {"trial": 3}}, "invalid-request", "budget.trial", "no such field"),
    ({"dataset": 5}, "invalid-request", "dataset", "got 5"),
    ({"target": 5}, "invalid-request", "target", "got 5"),
    ({"target": "town", "split": marked("test", "town", "b")}, "invalid-data", "target", "marks the rows of a split"),
    (
        {"algorithm": {"kind": "annealing"}},
        "invalid-request",
        "algorithm.kind",
        "'grid', 'hyperopt', 'optuna', 'random', 'sobol'",
    ),
    ({"algorithm": {}}, "invalid-request", "algorithm.kind", "required"),
    ({"scheduler": {"kind": "asha", "grace": 1}}, "invalid-request", "scheduler.grace", "no such field"),
    ({"scheduler": {"kind": "asha", "grace_period": 31}}, "invalid-request", "scheduler.grace_period", "30"),
    ({"budget": {"trials": 10**9}}, "invalid-request", "budget.trials", "100000; got 1000000000"),
    ({"budget": {"epochs_per_trial": 0}}, "invalid-request", "budget.epochs_per_trial", "got 0"),
    ({"seed": -1}, "invalid-request", "seed", "got -1"),
    (
        {"space": {"learning_rate": {"type": "float", "low": 1e-3}}},
        "invalid-request",
        "space.learning_rate.high",
        "required",
    ),
    ({"space": {"lerning_rate": RATE}}, "invalid-space", "space.lerning_rate", "did you mean learning_rate"),
    ({"fixed": {"momentun": 0.5}}, "invalid-space", "fixed.momentun", "did you mean momentum"),
    ({"fixed": {"zzz": 1}}, "invalid-space", "fixed.zzz", "Allowed: hidden_layers"),
    (
        {"fixed": {"learning_rate": 0.1}, "space": {"learning_rate": RATE}},
        "invalid-space",
        "fixed.learning_rate",
        "both",
    ),
    ({"fixed": {"learning_rate": -1}}, "invalid-space", "fixed.learning_rate", "greater than 0"),
    ({"fixed": {"units": [8]}, "space": {"learning_rate": RATE}}, "invalid-space", "fixed.units", "2 hidden layers"),
    ({"space": {"learning_rate": {**RATE, "low": 0.0}}}, "invalid-space", "space.learning_rate.low", "above 0"),
    ({"space": {"learning_rate": {**RATE, "high": 1e-4}}}, "invalid-space", "space.learning_rate.low", "below high"),
    ({"space": {"learning_rate": {**RATE, "high": 1e3}}}, "invalid-space", "space.learning_rate.high", "100"),
    (
        {"space": {"hidden_layers": {"type": "float", "low": 1, "high": 3}}},
        "invalid-space",
        "space.hidden_layers.type",
        "int",
    ),
    (
        {"space": {"activation": {"type": "choice", "values": ["relu", "sin"]}}},
        "invalid-space",
        "space.activation.values.1",
        "tanh",
    ),
    (
        {"space": {"dropout": {"type": "float", "low": 0, "high": 0.5, "when": {"lr": 1}}}},
        "invalid-space",
        "space.dropout.when.lr",
        "allowed",
    ),
    (
        {"space": {"momentum": {"type": "float", "low": 0.1, "high": 0.9}}},
        "invalid-space",
        "space.momentum.when.optimizer",
        "adam",
    ),
    (
        {"space": {"batch_size": {"type": "int", "low": 8, "high": 64, "per_layer": True}}},
        "invalid-space",
        "space.batch_size.per_layer",
        "units",
    ),
    (
        {"fixed": {"hidden_layers": 0}, "space": {"units": {"type": "int", "low": 8, "high": 64, "per_layer": True}}},
        "invalid-space",
        "space.units",
        "always 0",
    ),
    ({"space": {}}, "invalid-space", "space", "nothing varies"),
    ({"preset": "defualt"}, "invalid-space", "preset", "did you mean default"),
    ({"algorithm": {"kind": "grid"}}, "invalid-space", "space.learning_rate.step", "grid"),
    (
        {"scheduler": {"kind": "pbt"}, "space": {"hidden_layers": {"type": "int", "low": 0, "high": 3}}},
        "invalid-space",
        "space",
        "may change",
    ),
    (
        {"algorithm": {"kind": "hyperopt"}, "scheduler": {"kind": "pbt"}},
        "invalid-pair",
        "algorithm.kind",
        "random or grid",
    ),
    ({"scheduler": {"kind": "hyperband"}, "parallelism": 4}, "invalid-request", "parallelism", "at least"),
    ({"objective": "accuracy"}, "invalid-request", "objective", "allowed: mean_squared_error"),
    ({"objective": "roc_auc", "target": "town"}, "invalid-request", "objective", "of multiclass"),
    ({"objective": "mse"}, "invalid-request", "objective", "'mse' is no metric"),
    ({"target": "prize"}, "invalid-data", "target", "did you mean 'price'"),
    ({"target": None}, "invalid-data", "target", "name the column"),
    ({"target": ["price", "price"]}, "invalid-data", "target", "twice"),
    ({"target": "same"}, "invalid-data", "target", "one class or value only, 7"),
    ({"target": "nothing"}, "invalid-data", "target", "nothing but missing"),
    ({"target": "word", "task": "regression"}, "invalid-data", "target", "regression needs numbers"),
    ({"target": "town", "task": "binary"}, "invalid-data", "task", "has 3"),
    ({"target": ["stars", "price"], "task": "multiclass"}, "invalid-data", "task", "one target"),
    ({"columns": {}}, "invalid-data", "columns.exclude", "'nothing' holds nothing but missing"),
    ({"columns": {"include": ["nothing", "stars"]}}, "invalid-data", "columns.include", "nothing but missing"),
    ({"columns": {"exclude": ["nothing", "price"]}}, "invalid-data", "columns.exclude", "is the target"),
    ({"columns": {"include": ["price", "stars"]}}, "invalid-data", "columns.include", "is the target"),
    ({"columns": {"exclude": ["nothing", "twon"]}}, "invalid-data", "columns.exclude", "did you mean 'town'"),
    ({"columns": {"include": []}}, "invalid-data", "columns", "no feature is left"),
    (
        {"columns": {"exclude": ["nothing"], "kinds": {"town": "numeric"}}},
        "invalid-data",
        "columns.kinds.town",
        "no number",
    ),
    (
        {"columns": {"exclude": ["nothing"], "kinds": {"gone": "numeric"}}},
        "invalid-data",
        "columns.kinds",
        "no column 'gone'",
    ),
    ({"split": marked("test", "prt", "test")}, "invalid-data", "split.test.column", "did you mean 'part'"),
    ({"split": marked("test", "part", "tset")}, "invalid-data", "split.test.values", "'train'"),
    (
        {"split": {**marked("test", "part", "test"), **marked("validation", "part", "test")}},
        "invalid-data",
        "split.validation.values",
        "test rows already",
    ),
    ({"split": {"test": {"kind": "column"}}}, "invalid-request", "split.test.column", "required"),
    (
        {"split": {"test": {"kind": "fraction", "fraction": 1.5}}},
        "invalid-request",
        "split.test.fraction",
        "less than 1",
    ),
    ({"split": {"test": {"kind": "fraction", "fraction": 0.95}}}, "invalid-data", "dataset", "at least 10 to train"),
    (
        {"split": {"validation": {"kind": "holdout", "stratify": True}}},
        "invalid-data",
        "split.validation.stratify",
        "classes",
    ),
    (
        {"target": "rare", "split": {"validation": {"kind": "holdout", "stratify": True}}},
        "invalid-data",
        "split.validation.stratify",
        "'once' has 1",
    ),
    ({"split": KFOLD}, "not-yet", "split.validation.kind", "kfold"),
    ({"split": {"validation": {"kind": "holdout", "group": "town"}}}, "not-yet", "split.validation.group", "not yet"),
    ({"split": {"stopping": {"kind": "fraction"}}}, "not-yet", "split.stopping", "not yet"),
    ({"objective": ["r2", "mean_squared_error"]}, "not-yet", "objective", "one objective"),
    ({"task": "multilabel"}, "not-yet", "task", "multilabel"),
    ({"repeats": 3}, "not-yet", "repeats", "3 repeats"),
    ({"refit": {"rows": "all"}}, "not-yet", "refit", "refit"),
    ({"trainer": "neuroevolution"}, "not-yet", "trainer", "neuroevolution"),
]


@pytest.mark.parametrize(("body", "code", "path", "words"), REFUSED, ids=lambda value: str(value)[:50])
def test_a_bad_job_is_refused_by_field_with_what_is_allowed(
    body: dict[str, Any], code: str, path: str, words: str
) -> None:
    given_code, problems = refusal_of(**body)
    assert path in problems, problems
    assert words in problems[path]
    assert given_code == code


def test_two_rows_of_data_are_too_few() -> None:
    code, problems = refusal_of(table_of(x=[1.0, 2.0], y=[1.5, 2.5]), target="y", columns={})
    assert code == "invalid-data"
    assert problems["dataset"].startswith("2 rows give 1 to train, 0 to validate")


def test_problems_of_several_kinds_are_told_together() -> None:
    code, problems = refusal_of(
        target="prize",
        objective="nonsense",
        space={"units": {"type": "int", "low": 9, "high": 1}, "rate": RATE},
        columns={"exclude": ["gone"]},
    )
    assert code == "invalid-request"
    assert {"target", "objective", "space.units.low", "space.rate", "columns.exclude"} <= set(problems)


def test_a_column_that_happens_to_be_called_like_a_union_keeps_its_path() -> None:
    body = {"dataset": "d", "space": {"float": {"type": "float", "low": "x", "high": 1}}}
    with pytest.raises(SpecError) as refusal:
        read_spec(body)
    assert [problem.path for problem in refusal.value.problems] == ["space.float.low"]


@pytest.mark.parametrize("body", [None, [], "job", 3, {}])
def test_a_body_that_is_no_job_is_refused(body: Any) -> None:
    with pytest.raises(SpecError) as refusal:
        read_spec(body)
    assert refusal.value.code == "invalid-request"


NUMBERS = st.one_of(st.integers(-2, 5), st.sampled_from([0.0, 0.5, 1e-3, 100.0, 10**9, 10**400, math.nan, math.inf]))
WORDS = st.sampled_from(["units", "units.1", "hidden_layers", "price", "kind", "type", "float", "", "grid", "sgd"])
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, WORDS)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3))
CONDITION = st.one_of(LEAVES, st.lists(LEAVES), st.dictionaries(st.sampled_from(["eq", "ge", "lt", "in"]), NUMBERS))
NAMES = st.sampled_from(["units", "hidden_layers", "learning_rate", "dropout", "momentum", "optimizer", "activation"])
WHEN = st.dictionaries(NAMES, CONDITION, max_size=2)
RANGES = st.fixed_dictionaries(
    {"type": st.sampled_from(["float", "int"]), "low": NUMBERS, "high": NUMBERS},
    optional={"log": st.booleans(), "step": NUMBERS, "default": NUMBERS, "per_layer": st.booleans(), "when": WHEN},
)
CHOICES = st.fixed_dictionaries(
    {"type": st.just("choice"), "values": st.lists(LEAVES, max_size=4)}, optional={"default": LEAVES, "when": WHEN}
)
NEARLY_RIGHT: dict[str, st.SearchStrategy[Any]] = {
    "space": st.dictionaries(NAMES, RANGES | CHOICES, max_size=4),
    "fixed": st.dictionaries(NAMES, LEAVES | st.lists(NUMBERS, max_size=3), max_size=2),
    "target": st.sampled_from(["price", "stars", "town", "sold", "holes", "same", ["price", "stars"], []]),
    "algorithm": st.fixed_dictionaries({"kind": st.sampled_from(sorted(ALGORITHMS))}),
    "scheduler": st.fixed_dictionaries({"kind": st.sampled_from(["fifo", "asha", "hyperband", "pbt"])}),
    "budget": st.dictionaries(st.sampled_from(["trials", "epochs_per_trial"]), st.integers(0, 300)),
    "parallelism": st.integers(0, 100),
    "task": st.sampled_from(["auto", "regression", "binary", "multiclass"]),
    "objective": st.sampled_from(["r2", "log_loss", "accuracy", "nonsense"]),
    "preset": st.sampled_from([None, "default", "nonsense"]),
    "columns": st.fixed_dictionaries({"exclude": st.lists(st.sampled_from(["nothing", "price", "word", "x"]))}),
}


@settings(max_examples=300, deadline=None)
@given(body=st.fixed_dictionaries({}, optional=NEARLY_RIGHT))
def test_a_job_that_is_nearly_right_is_refused_or_runs(body: dict[str, Any]) -> None:
    job = resolved_or_refused({"columns": {"exclude": ["nothing"]}, "target": "price", **body})
    if job is None:
        return
    assert preview(job)["trials"] == job.trials >= 1
    for encoded in job.search_request().initial_points[:3]:
        hyper = TRAINERS["mlp"].build(job.decode(encoded), job.fixed)
        assert len(hyper.widths) == hyper.hidden_layers


@settings(max_examples=200, deadline=None)
@given(field=st.sampled_from(list(JobSpec.model_fields)), value=JSON)
def test_no_value_of_any_field_does_worse_than_a_refusal(field: str, value: Any) -> None:
    resolved_or_refused({"dataset": "d", "columns": {"exclude": ["nothing"]}, "target": "price", field: value})


def resolved_or_refused(body: dict[str, Any]) -> ResolvedJob | None:
    """Resolve, or check that the refusal says something."""
    try:
        return resolve(read_spec({"dataset": "d", **body}), TABLE)
    except SpecError as error:
        refusal = error
    assert refusal.problems
    assert all(problem.message for problem in refusal.problems)
    return None
