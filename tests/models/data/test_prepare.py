from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.data import Table, read_table
from models.hyper import Hyperparameters
from models.job_data import TargetError
from models.lanes import Task
from models.prepare import Prepared, PrepareError, PrepareRequest, prepare
from models.preprocess import Preprocessor
from models.schema import ColumnPart, FractionPart, Holdout

TEST = ColumnPart(kind="column", column="split", values=["test"])
VALID = ColumnPart(kind="column", column="split", values=["valid"])
MARKS = ["train"] * 4 + ["valid"] * 2 + ["test"] * 2


def make_table(**columns: list[Any]) -> Table:
    arrays: dict[str, Any] = {"split": np.array(MARKS, dtype=object)}
    for name, cells in columns.items():
        is_number = all(isinstance(cell, (int, float)) and not isinstance(cell, bool) for cell in cells)
        arrays[name] = np.array(cells, dtype=np.float64 if is_number else object)
    return Table(arrays)


def preprocessor_of(prepared: Prepared) -> Preprocessor:
    return prepared.job_data.encoder(prepared.hyper, 0).preprocessor


def run(
    table: Table, features: dict[str, str], target: str | list[str] = "y", task: Task = "regression", **more: Any
) -> Prepared:
    targets = [target] if isinstance(target, str) else target
    wishes = {"test": TEST, "validation": VALID, **more}
    return prepare(table, PrepareRequest(features, targets, task, **wishes))


Y = [1, 2, 3, 4, 5, 6, 7, 8]
NAN = float("nan")


def test_numbers_are_standardised_by_the_training_rows_alone() -> None:
    prepared = run(make_table(x=[1, 2, 3, 4, 100, 0, -100, 5], y=Y), {"x": "numeric"})
    np.testing.assert_allclose(prepared.data.x_train[:, 0], (np.array([1, 2, 3, 4]) - 2.5) / np.sqrt(1.25), rtol=1e-6)
    np.testing.assert_allclose(prepared.data.x_valid[:, 0], (np.array([100, 0]) - 2.5) / np.sqrt(1.25), rtol=1e-6)
    assert prepared.data.x_train.dtype == np.float32


def test_a_missing_number_becomes_the_training_median_with_an_indicator_beside_it() -> None:
    prepared = run(make_table(x=[1, NAN, 3, 11, NAN, 3, 3, 3], y=Y), {"x": "numeric"})
    filled = np.array([1, 3, 3, 11])
    np.testing.assert_allclose(prepared.data.x_train[:, 0], (filled - filled.mean()) / filled.std(), rtol=1e-6)
    assert prepared.data.x_train[:, 1].tolist() == [0, 1, 0, 0]
    assert prepared.data.x_valid[:, 1].tolist() == [1, 0]


def test_a_number_missing_outside_training_only_gets_no_indicator() -> None:
    prepared = run(make_table(x=[1, 2, 3, 4, NAN, 1, 1, 1], y=Y), {"x": "numeric"})
    assert prepared.data.x_train.shape == (4, 1)
    assert prepared.data.x_valid[0, 0] == 0  # the median is the mean here


def test_a_constant_column_becomes_zeros_even_where_it_varies_later() -> None:
    prepared = run(make_table(x=[0.1] * 4 + [5, 6, 7, 8], y=Y), {"x": "numeric"})
    assert not prepared.data.x_train.any()
    assert not prepared.data.x_valid.any()


def test_categories_are_sorted_columns_unseen_is_zeros_and_missing_has_its_own() -> None:
    table = make_table(c=["b", "a", None, "b", "new", None, "a", "a"], y=Y)
    data = run(table, {"c": "categorical"}).data
    assert data.x_train.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert data.x_valid.tolist() == [[0, 0, 0], [0, 0, 1]]


def test_truth_values_are_two_categories() -> None:
    table = make_table(c=[True, False, True, True, False, None, True, True], y=Y)
    data = run(table, {"c": "boolean"}).data
    assert data.x_train.tolist() == [[0, 1], [1, 0], [0, 1], [0, 1]]
    assert data.x_valid.tolist() == [[1, 0], [0, 0]]


def test_numbers_may_be_told_to_be_categories_and_text_to_be_numbers() -> None:
    table = make_table(zip=[1, 2, 1, 2, 1, 3, 1, 1], text=["1", "2", "3", "5", "1", "1", None, "1"], y=Y)
    prepared = run(table, {"zip": "categorical", "text": "numeric"})
    assert preprocessor_of(prepared).features[0].categories == ("1", "2")  # type: ignore[union-attr]
    assert preprocessor_of(prepared).features[1].fill == 2.5  # type: ignore[union-attr]
    with pytest.raises(PrepareError, match="'train', which is no number") as caught:
        run(table, {"split": "numeric"})
    assert caught.value.path == "columns.kinds.split"


def test_only_the_most_frequent_categories_are_kept() -> None:
    cells = ["often"] * 40 + [f"c{i:03}" for i in range(260)]
    table = Table({"c": np.array(cells, dtype=object), "y": np.arange(300.0)})
    prepared = run(table, {"c": "categorical"}, test=None, validation=Holdout(fraction=0.01))
    assert preprocessor_of(prepared).n_inputs == 255
    assert any("are kept, the others count as unseen" in note for note in prepared.notes)
    assert "often" in preprocessor_of(prepared).features[0].categories  # type: ignore[union-attr]


def test_a_column_without_values_in_training_is_left_out_with_a_note() -> None:
    table = make_table(x=[1, 2, 3, 4, 5, 6, 7, 8], empty=[NAN] * 4 + [1, 2, 3, 4], y=Y)
    prepared = run(table, {"x": "numeric", "empty": "numeric"})
    assert prepared.data.x_train.shape == (4, 1)
    assert prepared.notes == ["column 'empty' has no value in the training rows and is left out"]
    with pytest.raises(PrepareError, match="no feature is left"):
        run(table, {"empty": "numeric"})


def test_several_targets_are_standardised_one_by_one_and_tested_in_raw_units() -> None:
    prepared = run(make_table(x=Y, y=Y, z=[10 * y for y in Y]), {"x": "numeric"}, ["y", "z"])
    assert prepared.data.n_outputs == 2
    np.testing.assert_allclose(prepared.data.target_mean, [2.5, 25])
    np.testing.assert_allclose(prepared.data.y_train[:, 0], prepared.data.y_train[:, 1], rtol=1e-6)
    assert prepared.y_test is not None
    assert prepared.y_test.tolist() == [[7, 70], [8, 80]]
    assert prepared.job_data.target_names == ["y", "z"]


def test_classes_are_indexed_in_sorted_order_and_keep_their_type() -> None:
    x = {"x": "numeric"}
    numbers = run(make_table(x=Y, y=[5, 3, 3, 5, 3, 5, 3, 5]), x, task="binary")
    assert numbers.classes == [3, 5]
    assert numbers.data.y_train.tolist() == [1, 0, 0, 1]
    assert numbers.data.n_outputs == 1
    texts = run(make_table(x=Y, y=["b", "c", "a", "a", "b", "c", "a", "b"]), x, task="multiclass")
    assert texts.classes == ["a", "b", "c"]
    assert texts.data.n_outputs == 3
    truths = run(make_table(x=Y, y=[True, False] * 4), x, task="binary")
    assert truths.classes == [False, True]


def test_rows_without_a_target_are_dropped_with_a_note() -> None:
    prepared = run(make_table(x=Y, y=[1, NAN, 3, 4, 5, 6, NAN, 8]), {"x": "numeric"})
    assert (len(prepared.data.x_train), prepared.y_test is not None and len(prepared.y_test)) == (3, 1)
    assert prepared.notes == ["2 of 8 rows have no target and are left out"]


def test_without_a_test_part_there_are_no_test_rows() -> None:
    prepared = run(make_table(x=Y, y=Y), {"x": "numeric"}, test=None)
    assert prepared.test_columns is None
    assert prepared.y_test is None
    assert len(prepared.data.x_train) == 6


@pytest.mark.parametrize(
    ("y", "task", "path", "message"),
    [
        ([5] * 4 + [1, 2, 3, 4], "regression", "target", "'y' is constant in the training rows"),
        (["a"] * 8, "regression", "target", "regression needs numbers"),
        (["a"] * 8, "binary", "target", "one class only, 'a'"),
        (["a", "b", "c"] * 2 + ["a", "b"], "binary", "task", "binary needs two classes, 'y' has 3"),
        (["a", "b", "a", "b", "c", "a", "a", "a"], "multiclass", "split", "class 'c' of 'y' occurs in no training row"),
        ([NAN] * 8, "regression", "target", "no row has a value of 'y'"),
        ([1e300, -1e300, 2, 3, 4, 5, 6, 7], "regression", "target", "too large"),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused(y: list[Any], task: Task, path: str, message: str) -> None:
    with pytest.raises(PrepareError, match=message) as caught:
        run(make_table(x=Y, y=y), {"x": "numeric"}, task=task)
    assert caught.value.path == path


def test_labels_are_numbered_each_by_its_own_classes() -> None:
    table = make_table(x=Y, a=[True, False] * 4, b=["n", "n", "y", "y", "n", "y", "n", "y"], c=[5, 3, 3, 5, 3, 5, 3, 5])
    prepared = run(table, {"x": "numeric"}, ["a", "b", "c"], task="multilabel")
    assert prepared.classes == {"a": [False, True], "b": ["n", "y"], "c": [3, 5]}
    assert prepared.data.n_outputs == 3
    assert prepared.data.y_train.tolist() == [[1, 0, 1], [0, 0, 0], [1, 1, 0], [0, 1, 1]]
    assert prepared.data.y_valid.tolist() == [[1, 0, 0], [0, 1, 1]]
    assert prepared.y_test is not None
    assert prepared.y_test.tolist() == [[1, 0, 0], [0, 1, 1]]


@pytest.mark.parametrize(
    ("b", "path", "message"),
    [
        (["p", "q", "r", "p", "q", "r", "p", "q"], "task", "multilabel needs two classes, 'b' has 3"),
        (["n"] * 8, "target", "'b' has one class only, 'n'"),
        (["n"] * 6 + ["y"] * 2, "split", "class 'y' of 'b' occurs in no training row"),
    ],
)
def test_a_label_that_cannot_be_learned_is_refused_by_its_name(b: list[Any], path: str, message: str) -> None:
    table = make_table(x=Y, a=[True, False] * 4, b=b)
    with pytest.raises(PrepareError, match=message) as caught:
        run(table, {"x": "numeric"}, ["a", "b"], task="multilabel")
    assert caught.value.path == path


OUTPUT_RANGES = {"relu": (0, np.inf), "softplus": (0, np.inf), "logistic": (0, 1), "tanh": (-1, 1)}


@pytest.mark.parametrize("activation", OUTPUT_RANGES)
def test_targets_are_scaled_to_the_range_of_the_output_activation(activation: Any) -> None:
    table = make_table(x=Y, y=[2, 10, 4, 7, 3, 5, 1, 12])
    job_data = run(table, {"x": "numeric"}).job_data
    hyper = Hyperparameters(output_activation=activation)
    data, raw = job_data.view(hyper, 0), job_data.labels[job_data.folds[0].train]
    lowest, highest = OUTPUT_RANGES[activation]
    assert data.y_train.min() >= lowest
    assert data.y_train.max() <= highest
    if activation in ("logistic", "tanh"):
        assert (data.y_train.min(), data.y_train.max()) == (lowest, highest)
    else:
        np.testing.assert_allclose(data.y_train, raw / raw.std(), rtol=1e-6)
    np.testing.assert_allclose(data.y_train * data.target_scale + data.target_mean, raw, rtol=1e-6)
    (target,) = job_data.encoder(hyper, 0).targets
    assert (target.mean, target.scale) == (data.target_mean[0], data.target_scale[0])


@pytest.mark.parametrize("activation", ["relu", "softplus"])
def test_a_target_below_zero_cannot_be_scaled_to_outputs_that_are_not(activation: Any) -> None:
    job_data = run(make_table(x=Y, y=[2, -0.5, 4, 7, 3, 5, 1, 12]), {"x": "numeric"}).job_data
    with pytest.raises(TargetError, match=f"'y' holds -0.5: the output activation {activation} is never below 0"):
        job_data.view(Hyperparameters(output_activation=activation), 0)


def test_balanced_classes_weigh_by_the_training_rows_of_their_fold() -> None:
    job_data = run(
        make_table(x=Y, y=["a", "a", "a", "b", "a", "b", "b", "b"]), {"x": "numeric"}, task="binary"
    ).job_data
    assert job_data.view(Hyperparameters(), 0).weights is None
    weights = job_data.view(Hyperparameters(class_weight="balanced"), 0).weights
    assert weights is not None
    np.testing.assert_allclose(weights[:, 0], [2 / 3, 2 / 3, 2 / 3, 2], rtol=1e-6)


def test_a_part_without_rows_is_refused_with_the_sizes() -> None:
    table = Table({"x": np.array([1.0, 2.0]), "y": np.array([1.0, 2.0])})
    with pytest.raises(PrepareError, match="2 rows give 1 to train, 0 to validate, 1 to test"):
        run(table, {"x": "numeric"}, test=FractionPart(), validation=Holdout())


def test_a_preprocessor_survives_its_card() -> None:
    table = make_table(x=[1, NAN, 3, 4, 5, 6, 7, 8], c=["b", "a", None, "b", "n", "b", "a", "a"], y=Y)
    prepared = run(table, {"x": "numeric", "c": "categorical"})
    again = Preprocessor.from_card(preprocessor_of(prepared).to_card())
    assert again == preprocessor_of(prepared)
    np.testing.assert_array_equal(again.transform(table.columns), preprocessor_of(prepared).transform(table.columns))


def test_the_housing_table_is_split_and_scaled_as_its_notebook_does(shared_data: Path) -> None:
    table = read_table(shared_data / "california_housing.csv", "csv")
    features = {name: "numeric" for name in table.columns if name not in ("MedHouseVal", "split")}
    prepared = run(table, features, "MedHouseVal")
    assert prepared.y_test is not None
    assert [len(x) for x in (prepared.data.x_train, prepared.data.x_valid, prepared.y_test)] == [11610, 3870, 5160]
    assert abs(float(prepared.data.x_train.mean())) < 1e-4
    np.testing.assert_allclose(prepared.data.x_train.std(axis=0), 1, rtol=1e-4)
