from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.schema import ColumnPart, FractionPart, Holdout, Kfold
from models.split import Parts, SplitError, SplitSettings, split_rows
from models.table import Column

ROWS = np.arange(100)


def split(
    test: FractionPart | ColumnPart | None = None,
    validation: Holdout | ColumnPart | Kfold | None = None,
    seed: int = 0,
    classes: list[int] | None = None,
    columns: dict[str, Column] | None = None,
) -> Parts:
    rows = ROWS if classes is None else np.arange(len(classes))
    settings = SplitSettings(test, validation or Holdout(), seed)
    return split_rows(settings, columns or {}, rows, None if classes is None else np.array(classes))


def test_the_test_part_is_cut_first_and_the_validation_part_from_what_is_left() -> None:
    parts = split(FractionPart(fraction=0.2), Holdout(fraction=0.25))
    assert [len(part) for part in (parts.train, parts.valid, parts.test)] == [60, 20, 20]
    assert sorted([*parts.train, *parts.valid, *parts.test]) == ROWS.tolist()


def test_a_split_is_a_function_of_its_seed_alone() -> None:
    first, again, other = (split(FractionPart(), seed=seed) for seed in (5, 5, 6))
    assert first.test.tolist() == again.test.tolist()
    assert first.valid.tolist() == again.valid.tolist()
    assert first.test.tolist() != other.test.tolist()


def test_the_rows_drawn_for_a_seed_never_change() -> None:
    assert split(FractionPart(fraction=0.05), seed=0).test.tolist() == [7, 10, 18, 35, 41]


def test_another_validation_share_leaves_the_test_part_alone() -> None:
    small, large = (split(FractionPart(), Holdout(fraction=share)) for share in (0.1, 0.5))
    assert small.test.tolist() == large.test.tolist()


def test_classification_keeps_the_shares_of_the_classes() -> None:
    classes = [0] * 80 + [1] * 20
    parts = split(FractionPart(fraction=0.25), Holdout(fraction=0.2), classes=classes)
    counts = [np.bincount(np.array(classes)[part]).tolist() for part in (parts.train, parts.valid, parts.test)]
    assert counts == [[48, 12], [12, 3], [20, 5]]


def test_stratification_can_be_switched_off() -> None:
    classes = [0] * 80 + [1] * 20
    shares = {int(np.sum(split(None, Holdout(stratify=False), seed, classes).valid >= 80)) for seed in range(10)}
    assert len(shares) > 1


def test_a_class_of_one_row_stays_in_training_under_auto_and_is_refused_under_true() -> None:
    classes = [0] * 50 + [1] * 50 + [2]
    for seed in range(20):
        assert 100 in split(FractionPart(), seed=seed, classes=classes).train
    with pytest.raises(SplitError, match="one row") as caught:
        split(None, Holdout(stratify=True), classes=classes)
    assert caught.value.path == "split.validation.stratify"


def test_regression_cannot_be_stratified() -> None:
    with pytest.raises(SplitError, match="classification"):
        split(None, Holdout(stratify=True))


def test_a_column_may_mark_the_parts() -> None:
    marks = np.array(["train"] * 70 + ["valid"] * 20 + ["test"] * 10, dtype=object)
    parts = split(
        ColumnPart(kind="column", column="split", values=["test"]),
        ColumnPart(kind="column", column="split", values=["valid"]),
        columns={"split": marks},
    )
    assert (parts.train.tolist(), parts.valid.tolist(), parts.test.tolist()) == (
        list(range(70)),
        list(range(70, 90)),
        list(range(90, 100)),
    )


def test_a_marking_column_may_hold_numbers_or_truth_values() -> None:
    year = np.array([2020.0] * 60 + [2021.0] * 40)
    flag = np.array([True, False] * 50, dtype=object)
    parts = split(
        ColumnPart(kind="column", column="year", values=[2021]),
        ColumnPart(kind="column", column="flag", values=[True]),
        columns={"year": year, "flag": flag},
    )
    assert parts.test.tolist() == list(range(60, 100))
    assert parts.valid.tolist() == list(range(0, 60, 2))


@pytest.mark.parametrize("value", ["tset", 1, True])
def test_a_value_that_the_column_never_holds_is_refused_with_those_it_holds(value: str | int | bool) -> None:
    marks = np.array(["a", "1"] * 50, dtype=object)
    with pytest.raises(SplitError, match="it holds '1', 'a'") as caught:
        split(ColumnPart(kind="column", column="split", values=[value]), columns={"split": marks})
    assert caught.value.path == "split.test.values"


def test_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(SplitError, match="no column 'nope'"):
        split(None, ColumnPart(kind="column", column="nope", values=["x"]))


def test_kfold_is_refused_by_name() -> None:
    with pytest.raises(SplitError, match="kfold") as caught:
        split(None, Kfold(kind="kfold"))
    assert caught.value.path == "split.validation.kind"


@given(
    classes=st.lists(st.integers(0, 4), min_size=3, max_size=60),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32 - 1),
)
def test_parts_never_overlap_never_lose_a_row_and_leave_every_class_to_training(
    classes: list[int], share: float, seed: int
) -> None:
    parts = split(FractionPart(fraction=share), Holdout(fraction=share), seed, classes)
    assert sorted([*parts.train, *parts.valid, *parts.test]) == list(range(len(classes)))
    assert {classes[row] for row in parts.train} == set(classes)
