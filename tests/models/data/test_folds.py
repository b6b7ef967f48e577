"""Folds have the properties of scikit-learn's splitters of the same names."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, TimeSeriesSplit

from models.draw import SplitError
from models.job_data import Fold
from models.schema import ColumnFolds, FractionPart, Kfold, TimeOrder, ValidationPart
from models.split import SplitSettings, split_rows
from models.table import Column

SEEDS = st.integers(0, 2**32 - 1)


def folds_of(
    validation: ValidationPart,
    n_rows: int,
    seed: int = 0,
    classes: list[int] | None = None,
    columns: dict[str, Column] | None = None,
) -> list[Fold]:
    settings = SplitSettings(None, validation, seed)
    known = None if classes is None else np.array(classes)
    return split_rows(settings, columns or {}, np.arange(n_rows), known).folds


def assert_partition(folds: list[Fold], n_rows: int) -> None:
    """Every row validates once, and trains whenever it does not."""
    assert sorted(np.concatenate([fold.valid for fold in folds])) == list(range(n_rows))
    for fold in folds:
        assert sorted([*fold.train, *fold.valid]) == list(range(n_rows))
        assert len(fold.stop) == 0


@given(n_rows=st.integers(2, 80), n_folds=st.integers(2, 10), repeats=st.integers(1, 3), seed=SEEDS)
def test_every_row_validates_once_in_every_repeat(n_rows: int, n_folds: int, repeats: int, seed: int) -> None:
    wish = Kfold(kind="kfold", folds=min(n_folds, n_rows), repeats=repeats)
    folds = folds_of(wish, n_rows, seed)
    assert len(folds) == wish.folds * repeats
    for repeat in range(repeats):
        dealt = folds[repeat * wish.folds : (repeat + 1) * wish.folds]
        assert_partition(dealt, n_rows)
        sizes = [len(fold.valid) for fold in dealt]
        assert max(sizes) - min(sizes) <= 1


@given(
    classes=st.lists(st.integers(0, 3), min_size=6, max_size=80).filter(lambda drawn: min(Counter(drawn).values()) > 1),
    n_folds=st.integers(2, 6),
    seed=SEEDS,
)
def test_classes_are_spread_over_the_folds_within_one_row(classes: list[int], n_folds: int, seed: int) -> None:
    folds = folds_of(Kfold(kind="kfold", folds=n_folds), len(classes), seed, classes)
    assert_partition(folds, len(classes))
    for label in set(classes):
        counts = [sum(classes[row] == label for row in fold.valid) for fold in folds]
        assert max(counts) - min(counts) <= 1
        assert all(label in {classes[row] for row in fold.train} for fold in folds)
    sizes = [len(fold.valid) for fold in folds]
    assert max(sizes) - min(sizes) <= 1


@given(groups=st.lists(st.integers(0, 9), min_size=10, max_size=80), n_folds=st.integers(2, 5), seed=SEEDS)
def test_groups_are_never_divided_and_folds_are_as_even_as_scikit_learns(
    groups: list[int], n_folds: int, seed: int
) -> None:
    n_folds = min(n_folds, len(set(groups)))
    if n_folds < 2:
        return
    wish = Kfold(kind="kfold", folds=n_folds, group="who")
    folds = folds_of(wish, len(groups), seed, columns={"who": np.array(groups, float)})
    assert_partition(folds, len(groups))
    for fold in folds:
        assert not {groups[row] for row in fold.train} & {groups[row] for row in fold.valid}
    theirs = [len(valid) for _, valid in GroupKFold(n_folds).split(groups, groups=groups)]
    assert sorted(len(fold.valid) for fold in folds) == sorted(theirs)


@given(n_rows=st.integers(3, 60), n_folds=st.integers(2, 8), seed=SEEDS)
def test_windows_in_time_are_scikit_learns(n_rows: int, n_folds: int, seed: int) -> None:
    n_folds = min(n_folds, n_rows - 1)
    moments = np.random.default_rng(seed).permutation(n_rows)
    order = np.argsort(moments)
    folds = folds_of(
        TimeOrder(kind="time", column="when", folds=n_folds), n_rows, columns={"when": moments.astype(float)}
    )
    theirs = TimeSeriesSplit(n_folds).split(order)
    for fold, (train, valid) in zip(folds, theirs, strict=True):
        assert fold.train.tolist() == sorted(order[train])
        assert fold.valid.tolist() == sorted(order[valid])


def test_repeats_and_seeds_deal_anew_and_a_seed_always_alike() -> None:
    wish = Kfold(kind="kfold", folds=3, repeats=2)
    first, again, other = (folds_of(wish, 30, seed) for seed in (1, 1, 2))
    assert [fold.valid.tolist() for fold in first] == [fold.valid.tolist() for fold in again]
    assert first[0].valid.tolist() != first[3].valid.tolist()
    assert first[0].valid.tolist() != other[0].valid.tolist()


def test_the_folds_dealt_for_a_seed_never_change() -> None:
    dealt = folds_of(Kfold(kind="kfold", folds=3, repeats=2), 9)
    assert [fold.valid.tolist() for fold in dealt] == [[6, 7, 8], [1, 2, 4], [0, 3, 5], [2, 3, 4], [0, 7, 8], [1, 5, 6]]


def test_a_column_may_number_the_folds_and_a_row_without_a_number_only_trains() -> None:
    marks = np.array(["b", "a", "b", None, "a", "c"], dtype=object)
    folds = folds_of(ColumnFolds(kind="folds", column="fold"), 6, columns={"fold": marks})
    assert [fold.valid.tolist() for fold in folds] == [[1, 4], [0, 2], [5]]
    assert all(3 in fold.train for fold in folds)


def test_the_test_part_is_in_no_fold_and_follows_the_groups() -> None:
    groups = np.repeat(np.arange(12.0), 5)
    settings = SplitSettings(FractionPart(), Kfold(kind="kfold", folds=3, group="who"), 0)
    parts = split_rows(settings, {"who": groups}, np.arange(60), None)
    rest = np.setdiff1d(np.arange(60), parts.test)
    assert not set(groups[parts.test]) & set(groups[rest])
    for fold in parts.folds:
        assert sorted([*fold.train, *fold.valid]) == rest.tolist()


@pytest.mark.parametrize(
    ("validation", "classes", "path", "says"),
    [
        (Kfold(kind="kfold", folds=7), None, "split.validation.folds", "7 folds of 6 rows"),
        (Kfold(kind="kfold", folds=4, group="who"), None, "split.validation.folds", "4 folds of 3 groups"),
        (TimeOrder(kind="time", column="who", folds=6), None, "split.validation.folds", "7 stretches"),
        (ColumnFolds(kind="folds", column="same"), None, "split.validation.column", "holds 1 values"),
        (Kfold(kind="kfold"), [0, 0, 0, 0, 0, 1], "split.validation.folds", "class number 1 has 1 rows"),
        (Kfold(kind="kfold", stratify=True), [0, 0, 0, 0, 1, 1], "split.validation.folds", "3 are needed"),
        (Kfold(kind="kfold", stratify=True), None, "split.validation.stratify", "classification"),
    ],
)
def test_folds_that_cannot_be_made_are_refused(
    validation: ValidationPart, classes: list[int] | None, path: str, says: str
) -> None:
    columns = {"who": np.array([0.0, 1, 2, 0, 1, 2]), "same": np.ones(6)}
    with pytest.raises(SplitError, match=says) as caught:
        folds_of(validation, 6, classes=classes, columns=columns)
    assert caught.value.path == path
