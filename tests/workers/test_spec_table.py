from __future__ import annotations

from typing import Any

import pytest

from models.bundled import bundled_table, bundled_target
from models.prepare import prepare
from tests.workers.spec_tables import resolve_job, table_of
from workers.spec import read_spec, resolve


@pytest.mark.parametrize(
    ("target", "task"),
    [
        ("price", "regression"),
        ("stars", "multiclass"),
        ("flag", "binary"),
        ("sold", "binary"),
        ("town", "multiclass"),
        ("shop", "binary"),
        ("word", "multiclass"),
        (["price", "stars"], "regression"),
        ("holes", "regression"),
        (["sold", "flag"], "regression"),
        (["sold"], "binary"),
    ],
)
def test_the_task_follows_the_target(target: Any, task: str) -> None:
    job = resolve_job(target=target)
    assert job.task == task
    assert job.task_reason
    assert job.objective.name == ("mean_squared_error" if task == "regression" else "log_loss")
    assert (job.classes is None) == (task == "regression")


def test_a_task_can_be_asked_for_against_the_rule() -> None:
    assert resolve_job(target="stars", task="regression").task == "regression"
    assert resolve_job(target="stars", task="multiclass").classes == [0, 1, 2, 3, 4]
    as_classes = resolve_job(target="price", columns={"exclude": ["nothing"], "kinds": {"price": "categorical"}})
    assert as_classes.task == "multiclass"


def test_several_truth_values_are_labels_and_other_targets_may_be() -> None:
    truths = table_of(x=[float(i) for i in range(40)], a=[i % 2 == 0 for i in range(40)], b=[i > 9 for i in range(40)])
    job = resolve_job(truths, target=["b", "a"], columns={})
    assert (job.task, job.task_reason) == ("multilabel", "2 targets, each true or false")
    assert job.classes == {"b": [False, True], "a": [False, True]}
    assert job.objective.name == "log_loss"
    mixed = resolve_job(target=["shop", "flag"], task="multilabel")
    assert mixed.classes == {"shop": ["x", "y"], "flag": [0, 1]}
    assert resolve_job(truths, target=["b", "a"], columns={}, task="regression").task == "regression"


def test_features_are_all_columns_but_targets_excluded_ones_and_those_that_mark_the_split() -> None:
    split = {"test": {"kind": "column", "column": "part", "values": ["test"]}}
    job = resolve_job(columns={"exclude": ["nothing", "word"], "kinds": {"stars": "categorical"}}, split=split)
    kinds = {feature.name: feature.kind for feature in job.features}
    assert set(kinds) == {"stars", "sold", "flag", "town", "shop", "rare", "same", "holes"}
    assert (kinds["stars"], kinds["sold"], kinds["town"]) == ("categorical", "boolean", "categorical")
    assert [f.name for f in resolve_job(columns={"include": ["town", "stars"]}).features] == ["stars", "town"]


@pytest.mark.parametrize("validation", [{"kind": "holdout", "group": "stars"}, {"kind": "time", "column": "stars"}])
def test_a_column_that_groups_or_orders_rows_is_a_feature_only_where_it_is_included(validation: dict[str, Any]) -> None:
    split = {"validation": validation}
    assert "stars" not in {feature.name for feature in resolve_job(split=split).features}
    included = resolve_job(split=split, columns={"include": ["stars", "town"]})
    assert [feature.name for feature in included.features] == ["stars", "town"]


@pytest.mark.parametrize(
    ("split", "rows"),
    [
        ({}, (64, 16, 20)),
        ({"validation": {"kind": "time", "column": "stars", "fraction": 0.25}}, (60, 20, 20)),
        ({"validation": {"kind": "holdout", "group": "stars"}}, (None, None, None)),
        ({"validation": {"kind": "kfold", "folds": 3}}, (53, 27, 20)),
        ({"validation": {"kind": "time", "column": "stars", "folds": 4}}, (16, 16, 20)),
        ({"test": None, "validation": {"kind": "folds", "column": "town"}}, (66, 34, 0)),
        ({"validation": {"kind": "kfold", "group": "stars"}}, (None, None, None)),
        ({"test": None, "validation": {"kind": "holdout", "fraction": 0.1}}, (90, 10, 0)),
        ({"test": {"kind": "column", "column": "part", "values": ["test"]}}, (64, 16, 20)),
        (
            {
                "test": {"kind": "column", "column": "part", "values": ["test"]},
                "validation": {"kind": "column", "column": "part", "values": ["valid"]},
            },
            (60, 20, 20),
        ),
        ({"test": {"kind": "fraction", "fraction": 0.33}}, (54, 13, 33)),
    ],
)
def test_preview_counts_the_rows_that_the_split_really_makes(split: dict[str, Any], rows: tuple[int, int, int]) -> None:
    job = resolve_job(split=split)
    assert (job.rows.train, job.rows.validation, job.rows.test) == rows


def test_a_column_of_dates_puts_rows_in_order() -> None:
    days = [f"2024-{1 + i // 28:02}-{1 + i % 28:02}" for i in range(60)]
    table = table_of(day=list(reversed(days)), x=[float(i) for i in range(60)], y=[i * 1.5 for i in range(60)])
    body = {"target": "y", "columns": {}, "split": {"validation": {"kind": "time", "column": "day"}}}
    assert resolve_job(table, **body).rows.train == 38


@pytest.mark.parametrize("name", ["iris", "digits", "diabetes", "xor"])
def test_counted_rows_are_those_of_the_prepared_data(name: str) -> None:
    table = bundled_table(name)
    job = resolve(read_spec({"dataset": name}), table.schema, [bundled_target(name)])
    data = prepare(table, job.prepare_request()).data
    assert (len(data.x_train), len(data.x_valid)) == (job.rows.train, job.rows.validation)


def test_rows_without_a_target_are_not_counted() -> None:
    job = resolve_job(target="holes")
    assert (job.rows.train, job.rows.validation, job.rows.test) == (48, 12, 15)


def test_a_small_table_is_enough_when_ten_rows_train() -> None:
    table = table_of(x=[float(i) for i in range(16)], y=[i * 1.5 for i in range(16)])
    job = resolve_job(table, target="y", columns={})
    assert job.rows.train == 10
