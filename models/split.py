"""Which rows test, validate, stop and train: pure functions of the settings, the seed and the rows.

How rows are drawn is `models/draw.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.dates import parse_date
from models.draw import (
    Classes,
    Shuffle,
    SplitError,
    deal_groups,
    deal_rows,
    draw_count,
    draw_groups,
    draw_rows,
    grow_windows,
    stratify_by,
)
from models.job_data import NO_ROWS, Fold, Rows
from models.order import OrderError, order_keys
from models.schema import (
    ColumnFolds,
    ColumnPart,
    FractionPart,
    Holdout,
    Kfold,
    Scalar,
    StoppingPart,
    TestPart,
    TimeOrder,
    ValidationPart,
)
from models.table import Column, distinct_values, missing_mask, plain_value

TIME_FRACTION = 0.2
GROUPED_STRATA = "groups stay whole, so shares of classes cannot be kept: use auto or false"


@dataclass(frozen=True)
class SplitSettings:
    """How to cut: the test part first, then the validation part or folds from what is left, then, from the training
    rows of each fold, the rows that decide the best epoch."""

    test: TestPart | None
    validation: ValidationPart
    seed: int
    stopping: StoppingPart | None = None


@dataclass(frozen=True)
class Parts:
    """Row numbers, ascending: the test part, and the folds of all other rows; repeat by repeat.

    `kin` numbers the validation rows of a hold-out of groups, or of the last rows in time: rows of one number resemble
    each other.
    """

    folds: list[Fold]
    test: Rows
    kin: Classes | None = None


def split_rows(settings: SplitSettings, columns: Mapping[str, Column], rows: Rows, classes: Classes | None) -> Parts:
    """Cut rows into parts. `classes` holds the class index of every row of the table, None for regression.

    Raises: SplitError.
    """
    knife = _Knife(settings, columns, rows, classes)
    test = NO_ROWS
    if settings.test is not None:
        test = knife.cut("split.test", settings.test, rows, Shuffle(settings.seed, "test"))
    folds = knife.folds(np.setdiff1d(rows, test))
    stopped = [knife.with_stopping(fold, number) for number, fold in enumerate(folds)]
    return Parts(stopped, test, knife.kin(folds[0].valid) if len(folds) == 1 else None)


class _Knife:
    """Cuts rows in the way that the validation part states, which test and stopping parts must follow."""

    def __init__(
        self, settings: SplitSettings, columns: Mapping[str, Column], rows: Rows, classes: Classes | None
    ) -> None:
        self._settings, self._columns, self._classes = settings, columns, classes
        validation = settings.validation
        self._groups = self._moments = None
        if isinstance(validation, TimeOrder):
            self._moments = _moments(validation, _column(columns, validation.column, "split.validation"), rows)
        if isinstance(validation, Holdout | Kfold) and validation.group is not None:
            if validation.stratify is True:
                raise SplitError("split.validation.stratify", GROUPED_STRATA)
            self._groups = _groups(_column(columns, validation.group, "split.validation", "group"), rows)

    def cut(self, path: str, part: FractionPart | ColumnPart, rows: Rows, shuffle: Shuffle) -> Rows:
        if isinstance(part, ColumnPart):
            return _rows_by_column(path, part, self._columns, rows)
        return self._draw(rows, part.fraction, shuffle)

    def folds(self, rows: Rows) -> list[Fold]:
        validation, seed = self._settings.validation, self._settings.seed
        match validation:
            case ColumnPart():
                parts = [_rows_by_column("split.validation", validation, self._columns, rows)]
            case Holdout():
                parts = [self._draw(rows, validation.fraction, Shuffle(seed, "validation"))]
            case Kfold():
                parts = [part for repeat in range(validation.repeats) for part in self._deal(rows, validation, repeat)]
            case ColumnFolds():
                parts = _rows_by_value(validation, self._columns, rows)
            case TimeOrder(folds=None):
                parts = [self._draw(rows, validation.fraction or TIME_FRACTION, Shuffle(seed, "validation"))]
            case TimeOrder(folds=int(n_folds)):
                return grow_windows(self._in_time(rows), n_folds)
        return [Fold(np.setdiff1d(rows, part), part) for part in parts]

    def with_stopping(self, fold: Fold, number: int) -> Fold:
        """Take the stopping part out of the training rows of a fold."""
        part = self._settings.stopping
        if part is None:
            return fold
        stop = self.cut("split.stopping", part, fold.train, Shuffle(self._settings.seed, "stopping", number))
        return Fold(np.setdiff1d(fold.train, stop), fold.valid, stop)

    def kin(self, rows: Rows) -> Classes | None:
        """Number rows by their group, or by the stretch of time that they lie in; None where neither is known.

        A stretch is n^(1/3) of the n moments. Source: Hall, Horowitz, Jing (1995), On blocking rules for the bootstrap
        with dependent data.
        """
        if self._moments is None:
            return None if self._groups is None else self._groups[rows]
        moments, places = np.unique(self._moments[rows], return_inverse=True)
        kin: Classes = places // math.ceil(len(moments) ** (1 / 3))
        return kin

    def _draw(self, rows: Rows, fraction: float, shuffle: Shuffle) -> Rows:
        if self._moments is not None:
            return np.sort(self._in_time(rows)[len(rows) - draw_count(len(rows), fraction) :])
        if self._groups is not None:
            return draw_groups(rows, fraction, shuffle, self._groups)
        return draw_rows(rows, fraction, shuffle, self._strata(rows, shuffle.purpose))

    def _deal(self, rows: Rows, validation: Kfold, repeat: int) -> list[Rows]:
        shuffle, n_folds = Shuffle(self._settings.seed, "folds", repeat), validation.folds
        if self._groups is not None:
            return deal_groups(rows, n_folds, shuffle, self._groups)
        return deal_rows(rows, n_folds, shuffle, self._strata(rows, "folds"))

    def _strata(self, rows: Rows, purpose: str) -> Classes | None:
        validation = self._settings.validation
        wish = validation.stratify if isinstance(validation, Holdout | Kfold) else "auto"
        if wish is True and purpose == "stopping":
            wish = "auto"  # small classes have been found to do for validation; here they stay in training
        strata = stratify_by(wish, rows, self._classes, "split.validation.stratify")
        if strata is not None and isinstance(validation, Kfold) and purpose == "folds":
            _check_strata(strata[rows], validation)
        return strata

    def _in_time(self, rows: Rows) -> Rows:
        """Sort rows by their moment; those of one moment by their number."""
        if self._moments is None:
            raise AssertionError("rows without moments have no order in time")
        in_time: Rows = rows[np.argsort(self._moments[rows], kind="stable")]
        return in_time


def _column(columns: Mapping[str, Column], name: str, path: str, field: str = "column") -> Column:
    if name not in columns:
        raise SplitError(f"{path}.{field}", f"there is no column {name!r}")
    return columns[name]


def _moments(part: TimeOrder, column: Column, rows: Rows) -> NDArray[Any]:
    try:
        found = order_keys(column[rows])
    except OrderError as error:
        raise SplitError("split.validation.column", f"{part.column!r} gives rows no order: {error}") from None
    keys = np.zeros(len(column), found.dtype)
    keys[rows] = found
    return keys


def _groups(column: Column, rows: Rows) -> Classes:
    """Number the groups; rows that are not asked for are in none."""
    present = column[rows]
    if missing_mask(present).any():
        raise SplitError("split.validation.group", f"{int(missing_mask(present).sum())} rows have no group")
    places = {value: place for place, value in enumerate(distinct_values(present)[0])}
    groups = np.full(len(column), -1, dtype=np.int64)
    groups[rows] = [places[cell] for cell in present]
    return groups


def _rows_by_column(path: str, part: ColumnPart, columns: Mapping[str, Column], rows: Rows) -> Rows:
    column = _column(columns, part.column, path)
    chosen = np.zeros(len(column), dtype=bool)
    for value in part.values:
        matches = _equal_mask(column, value)
        if not matches.any():
            there = ", ".join(repr(plain_value(known)) for known in distinct_values(column)[0][:10])
            raise SplitError(f"{path}.values", f"column {part.column!r} never holds {value!r}; it holds {there}")
        chosen |= matches
    return rows[chosen[rows]]


def _rows_by_value(part: ColumnFolds, columns: Mapping[str, Column], rows: Rows) -> list[Rows]:
    """One fold for each value, in their order; a row without one only trains."""
    column = _column(columns, part.column, "split.validation")
    values = distinct_values(column[rows])[0]
    if len(values) < 2:
        raise SplitError("split.validation.column", f"column {part.column!r} holds {len(values)} values; folds need 2")
    return [rows[_equal_mask(column[rows], plain_value(value))] for value in values]


def _equal_mask(column: Column, value: Scalar) -> NDArray[np.bool_]:
    """Compare by type too: 1, true and "1" are three values. Dates are given as text."""
    if column.dtype.kind == "M":
        date = parse_date(value) if isinstance(value, str) else None
        return np.zeros(len(column), dtype=bool) if date is None else column == date
    if column.dtype.kind == "f":
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return np.equal(column, float(value)) if is_number else np.zeros(len(column), dtype=bool)
    hits = (type(cell) is type(value) and cell == value for cell in column)
    return np.fromiter(hits, dtype=bool, count=len(column))


def _check_strata(labels: Classes, validation: Kfold) -> None:
    """A class must be in the training rows of every fold; where strata are demanded, in every validation part too."""
    counts = np.bincount(labels)
    least = validation.folds if validation.stratify is True else 2
    small = (counts > 0) & (counts < least)
    if small.any():
        label = int(small.argmax())
        raise SplitError(
            "split.validation.folds",
            f"class number {label} has {counts[label]} rows outside the test part; {least} are needed",
        )
