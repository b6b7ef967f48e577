"""Which rows test, validate, stop and train: shares and their draws. Folds are in `test_folds.py`."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.draw import SplitError
from models.schema import (
    ColumnFolds,
    ColumnPart,
    FractionPart,
    Holdout,
    Kfold,
    StoppingPart,
    TestPart,
    TimeOrder,
    ValidationPart,
)
from models.split import SplitSettings, split_rows
from models.table import Column

ROWS = np.arange(100)


def split(
    test: TestPart | None = None,
    validation: ValidationPart | None = None,
    seed: int = 0,
    classes: list[int] | None = None,
    columns: dict[str, Column] | None = None,
    stopping: StoppingPart | None = None,
) -> SimpleNamespace:
    """Cut 100 rows, or those of the classes, where there is one fold."""
    rows = ROWS if classes is None else np.arange(len(classes))
    settings = SplitSettings(test, validation or Holdout(), seed, stopping)
    parts = split_rows(settings, columns or {}, rows, None if classes is None else np.array(classes))
    (fold,) = parts.folds
    return SimpleNamespace(**fold._asdict(), test=parts.test)


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


def test_groups_stay_together_in_every_part() -> None:
    groups = np.array([f"g{row % 17}" for row in ROWS], dtype=object)
    part = FractionPart()
    parts = split(part, Holdout(fraction=0.25, group="who"), columns={"who": groups}, stopping=part)
    named = [set(groups[rows]) for rows in (parts.train, parts.valid, parts.stop, parts.test)]
    assert set().union(*named) == set(groups)
    assert sum(map(len, named)) == 17
    assert abs(len(parts.test) - 20) <= 3
    assert abs(len(parts.valid) - 20) <= 3


@given(
    groups=st.lists(st.integers(0, 6), min_size=2, max_size=60).filter(lambda drawn: len(set(drawn)) > 1),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_drawn_share_of_groups_is_never_empty_and_never_all(groups: list[int], share: float, seed: int) -> None:
    settings = SplitSettings(None, Holdout(fraction=share, group="who"), seed)
    (fold,) = split_rows(settings, {"who": np.array(groups, float)}, np.arange(len(groups)), None).folds
    train, valid = ({groups[row] for row in rows} for rows in (fold.train, fold.valid))
    assert train
    assert valid
    assert not train & valid


@pytest.mark.parametrize(
    ("validation", "columns", "path", "says"),
    [
        (Holdout(group="who"), {}, "split.validation.group", "no column 'who'"),
        (Holdout(group="who"), {"who": np.zeros(100)}, "split.validation.group", "at least 2"),
        (Holdout(group="who"), {"who": np.full(100, np.nan)}, "split.validation.group", "100 rows have no group"),
        (Holdout(group="who", stratify=True), {"who": ROWS % 5.0}, "split.validation.stratify", "groups stay whole"),
        (TimeOrder(kind="time", column="when"), {}, "split.validation.column", "no column 'when'"),
        (TimeOrder(kind="time", column="when"), {"when": np.full(100, np.nan)}, "split.validation.column", "no value"),
        (
            TimeOrder(kind="time", column="when"),
            {"when": np.array(["2024-01-01", "soon"] * 50, dtype=object)},
            "split.validation.column",
            "'soon' is neither a number nor a date",
        ),
    ],
)
def test_a_column_that_cannot_guide_a_split_is_refused(
    validation: ValidationPart, columns: dict[str, Column], path: str, says: str
) -> None:
    with pytest.raises(SplitError, match=says) as caught:
        split(None, validation, columns=columns)
    assert caught.value.path == path


def test_in_time_the_latest_rows_test_and_those_before_them_validate_and_stop() -> None:
    days = [f"2024-{1 + row // 28:02}-{1 + row % 28:02}" for row in range(99)] + ["2023-12-31T23:59:00Z"]
    order = TimeOrder(kind="time", column="when", fraction=0.25)
    parts = split(FractionPart(), order, columns={"when": np.array(days, dtype=object)}, stopping=FractionPart())
    assert parts.test.tolist() == list(range(79, 99))
    assert parts.valid.tolist() == list(range(59, 79))
    assert parts.stop.tolist() == list(range(47, 59))
    assert parts.train.tolist() == [*range(47), 99]


def test_validation_rows_are_known_to_be_kin_by_group_or_by_time() -> None:
    who = np.array([f"g{row % 17}" for row in ROWS], dtype=object)
    day = np.array([float(row // 2) for row in ROWS])  # two rows a day
    settings = {name: SplitSettings(None, wish, 0) for name, wish in KIN_WISHES.items()}
    found = {name: split_rows(one, {"who": who, "day": day}, ROWS, None) for name, one in settings.items()}
    assert [found[name].kin for name in ("rows", "folds of groups", "windows")] == [None] * 3
    for name, column, n_together in (("groups", who, None), ("time", day, 3)):
        kin, valid = found[name].kin, found[name].folds[0].valid
        assert kin is not None
        assert len(kin) == len(valid)
        for number in np.unique(kin):
            inside = {column[row] for row in valid[kin == number]}
            outside = {column[row] for row in valid[kin != number]}
            assert not inside & outside, "rows of one group or moment stay together"
            assert len(inside) == (n_together or 1) or number == kin.max()


KIN_WISHES: dict[str, ValidationPart] = {
    "rows": Holdout(),
    "groups": Holdout(group="who"),
    "time": TimeOrder(kind="time", column="day", fraction=0.3),  # 15 days, in stretches of three
    "folds of groups": Kfold(kind="kfold", folds=3, group="who"),
    "windows": TimeOrder(kind="time", column="day", folds=3),
}


def test_dates_order_group_and_number_folds_as_their_text_does() -> None:
    texts = [f"2024-01-{1 + 7 * row % 5:02}" for row in range(30)]
    given: list[dict[str, Column]] = [
        {"when": np.array(texts, dtype=object)},
        {"when": np.array(texts, dtype="datetime64[us]")},
    ]
    wishes: list[ValidationPart] = [
        TimeOrder(kind="time", column="when"),
        Holdout(group="when"),
        Kfold(kind="kfold", folds=3, group="when"),
        ColumnFolds(kind="folds", column="when"),
    ]
    for wish in wishes:
        told = [
            [[part.tolist() for part in fold] for fold in split_rows(settings, columns, np.arange(30), None).folds]
            for settings in [SplitSettings(None, wish, 3)]
            for columns in given
        ]
        assert told[0] == told[1]


def test_a_stopping_part_is_taken_from_the_training_rows() -> None:
    classes = [0] * 80 + [1] * 20
    parts = split(FractionPart(), Holdout(), classes=classes, stopping=FractionPart(fraction=0.25))
    counts = [np.bincount(np.array(classes)[part]).tolist() for part in (parts.train, parts.stop, parts.valid)]
    assert counts == [[38, 10], [13, 3], [13, 3]]
    without = split(FractionPart(), Holdout(), classes=classes)
    assert sorted([*parts.train, *parts.stop]) == without.train.tolist()
    marks = np.array(["stop" if row % 3 == 0 else "" for row in ROWS], dtype=object)
    marked = ColumnPart(kind="column", column="mark", values=["stop"])
    assert split(columns={"mark": marks}, stopping=marked).stop.tolist() == [
        row for row in split().train if row % 3 == 0
    ]


@settings(deadline=None)
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
