"""Which rows test, validate and train: pure functions of the settings, the seed and the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.dates import parse_date
from models.schema import ColumnPart, FractionPart, Holdout, Kfold, Scalar
from models.table import Column, distinct_values, plain_value

Rows = NDArray[np.int64]
Classes = NDArray[np.int64]


class SplitError(ValueError):
    """A split that cannot be made; `path` is the field of the job that asks for it."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


@dataclass(frozen=True)
class SplitSettings:
    """How to cut: the test part first, then the validation part from what is left."""

    test: FractionPart | ColumnPart | None
    validation: Holdout | ColumnPart | Kfold
    seed: int


@dataclass(frozen=True)
class Parts:
    """Row numbers of each part, ascending; together they are all rows that were given."""

    train: Rows
    valid: Rows
    test: Rows


def split_rows(settings: SplitSettings, columns: Mapping[str, Column], rows: Rows, classes: Classes | None) -> Parts:
    """Cut rows into parts. `classes` holds the class index of every row of the table, None for regression.

    Raises: SplitError.
    """
    test = _test_rows(settings, columns, rows, classes)
    rest = np.setdiff1d(rows, test)
    valid = _valid_rows(settings, columns, rest, classes)
    return Parts(train=np.setdiff1d(rest, valid), valid=valid, test=test)


def _test_rows(settings: SplitSettings, columns: Mapping[str, Column], rows: Rows, classes: Classes | None) -> Rows:
    if settings.test is None:
        return rows[:0]
    if isinstance(settings.test, ColumnPart):
        return _rows_by_column("split.test", settings.test, columns, rows)
    # The test part follows the wish that the validation part states: both must look like the rest.
    wish = settings.validation.stratify if isinstance(settings.validation, Holdout) else "auto"
    order = Shuffle(settings.seed, "test")
    return draw_rows(rows, settings.test.fraction, order, stratify_by(wish, rows, classes, "split.validation.stratify"))


def _valid_rows(settings: SplitSettings, columns: Mapping[str, Column], rows: Rows, classes: Classes | None) -> Rows:
    validation = settings.validation
    if isinstance(validation, ColumnPart):
        return _rows_by_column("split.validation", validation, columns, rows)
    if isinstance(validation, Kfold):
        raise SplitError("split.validation.kind", "kfold is not offered yet; holdout and column are")
    strata = stratify_by(validation.stratify, rows, classes, "split.validation.stratify")
    return draw_rows(rows, validation.fraction, Shuffle(settings.seed, "validation"), strata)


def _rows_by_column(path: str, part: ColumnPart, columns: Mapping[str, Column], rows: Rows) -> Rows:
    if part.column not in columns:
        raise SplitError(f"{path}.column", f"there is no column {part.column!r}")
    column = columns[part.column]
    chosen = np.zeros(len(column), dtype=bool)
    for value in part.values:
        matches = _equal_mask(column, value)
        if not matches.any():
            there = ", ".join(repr(plain_value(known)) for known in distinct_values(column)[0][:10])
            raise SplitError(f"{path}.values", f"column {part.column!r} never holds {value!r}; it holds {there}")
        chosen |= matches
    return rows[chosen[rows]]


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


def stratify_by(wish: bool | Literal["auto"], rows: Rows, classes: Classes | None, path: str) -> Classes | None:
    """Decide by what to stratify: "auto" does so for classes, and keeps a class of one row for training.

    Raises: SplitError if stratification is demanded and impossible.
    """
    if wish is True and classes is None:
        raise SplitError(path, "true needs a classification task; use false or auto for regression")
    if wish is False or classes is None:
        return None
    counts = np.bincount(classes[rows])
    if wish is True and (counts == 1).any():
        raise SplitError(path, f"class number {int((counts == 1).argmax())} has one row and cannot be split; use auto")
    return classes


@dataclass(frozen=True)
class Shuffle:
    """A random order of rows. It sorts by PCG64's raw stream, which numpy promises never to change."""

    seed: int
    purpose: Literal["test", "validation"]

    def order(self, rows: Rows) -> Rows:
        """Shuffle rows."""
        salt = {"test": 1, "validation": 2}[self.purpose]
        keys: Any = np.random.PCG64([self.seed, salt]).random_raw(len(rows))
        shuffled: Rows = rows[np.argsort(keys, kind="stable")]
        return shuffled


def draw_rows(rows: Rows, fraction: float, shuffle: Shuffle, strata: Classes | None) -> Rows:
    """Draw a share of the rows, ascending: at least one if there are two, and never the last row of a class."""
    shuffled = shuffle.order(rows)
    wanted = min(max(round(fraction * len(rows)), 1), max(len(rows) - 1, 0))
    if strata is None:
        return np.sort(shuffled[:wanted])
    labels = strata[shuffled]
    counts = _apportion(np.bincount(labels), wanted)
    drawn = [shuffled[labels == label][:count] for label, count in enumerate(counts)]
    return np.sort(np.concatenate(drawn))


def _apportion(counts: NDArray[np.int64], wanted: int) -> list[int]:
    """Share `wanted` rows among classes by largest remainder; every class keeps a row."""
    room = np.maximum(counts - 1, 0)
    quota = counts * wanted / counts.sum()
    taken = np.minimum(np.floor(quota).astype(np.int64), room)
    for label in np.argsort(taken - quota, kind="stable"):  # those that were rounded down most come first
        taken[label] += min(1, wanted - taken.sum(), room[label] - taken[label])
    for label in np.argsort(-counts, kind="stable"):  # what small classes could not give, large ones do
        taken[label] += min(wanted - taken.sum(), room[label] - taken[label])
    return [int(count) for count in taken]
