"""Whether a table can be split as a job asks, by its schema, and how many rows each part gets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.draw import apportion, draw_count
from models.lanes import Task
from models.order import OrderError, parse_moment
from models.schema import (
    MOST_FOLDS,
    ColumnFolds,
    ColumnPart,
    ColumnSchema,
    FractionPart,
    Holdout,
    Kfold,
    Split,
    TableSchema,
    TimeOrder,
    is_folded,
)
from models.split import GROUPED_STRATA, TIME_FRACTION
from workers.columns import holds, show, unknown_column
from workers.refusals import Refusals
from workers.resolved import Part

DATA = "invalid-data"
LEAST_TRAINING_ROWS = 10


def marking_columns(split: Split) -> dict[str, str]:
    """Name the columns that mark rows, by field: they are never features."""
    parts = {"test": split.test, "validation": split.validation, "stopping": split.stopping}
    return {
        f"split.{name}.column": part.column
        for name, part in parts.items()
        if isinstance(part, ColumnPart | ColumnFolds)
    }


def guiding_columns(split: Split) -> dict[str, str]:
    """Name the columns that group or order rows, by field: they are features only where they are included by name."""
    validation = split.validation
    if isinstance(validation, TimeOrder):
        return {"split.validation.column": validation.column}
    if isinstance(validation, Holdout | Kfold) and validation.group is not None:
        return {"split.validation.group": validation.group}
    return {}


def count_folds(split: Split, schema: TableSchema) -> int:
    """Count the folds of all repeats of the split."""
    match split.validation:
        case Kfold(folds=folds, repeats=repeats):
            return folds * repeats
        case TimeOrder(folds=int(folds)):
            return folds
        case ColumnFolds(column=name):
            column = schema.column(name)
            return column.cardinality if column else 1
    return 1


def check_split(
    split: Split, schema: TableSchema, task: Task | None, targets: Sequence[ColumnSchema], refusals: Refusals
) -> Part:
    """Count rows by the rules of `models/split.py`, and note what does not fit."""
    n = schema.rows - max((target.missing for target in targets), default=0)
    for path, name in (marking_columns(split) | guiding_columns(split)).items():
        if schema.column(name) is None:
            refusals.add(DATA, path, unknown_column(name, schema))
    _check_guide(split, schema, refusals)
    _check_overlap(split, refusals)
    n_test = 0 if split.test is None else _count_cut("split.test", split.test, n, split, schema, refusals)
    rest = None if n_test is None else max(n - n_test, 0)
    train, valid = _count_fold(split, rest, schema, refusals)
    n_stop: int | None = 0
    if split.stopping is not None:
        n_stop = _count_cut("split.stopping", split.stopping, train, split, schema, refusals)
        if is_folded(split) and isinstance(split.stopping, ColumnPart):
            n_stop = None  # some of the marked rows validate a fold
        train = None if train is None or n_stop is None else max(train - n_stop, 0)
    part = Part(train=train, validation=valid, test=n_test, stopping=n_stop)
    _check_counts(n, part, split, refusals)
    _check_strata(split, task, targets, n_test, refusals)
    return part


def _is_grouped(split: Split) -> bool:
    return isinstance(split.validation, Holdout | Kfold) and split.validation.group is not None


def _count_cut(
    path: str,
    part: FractionPart | ColumnPart,
    n_rows: int | None,
    split: Split,
    schema: TableSchema,
    refusals: Refusals,
) -> int | None:
    if isinstance(part, ColumnPart):
        return _count_marked(path, part, schema, refusals)
    return None if n_rows is None or _is_grouped(split) else draw_count(n_rows, part.fraction)


def _count_fold(
    split: Split, rest: int | None, schema: TableSchema, refusals: Refusals
) -> tuple[int | None, int | None]:
    """Count the rows that train and validate, of the fold that trains on the fewest."""
    valid: int | None = None
    match split.validation:
        case ColumnPart() as part:
            valid = _count_marked("split.validation", part, schema, refusals)
        case ColumnFolds(column=name):
            counts = _count_values(name, schema, refusals)
            valid = max(counts) if counts and split.test is None else None
        case Kfold(folds=folds, group=None) if rest is not None:
            _check_folds(folds, rest, refusals)
            valid = -(-rest // folds)
        case TimeOrder(folds=int(folds)) if rest is not None:
            _check_folds(folds, rest - 1, refusals)
            valid = rest // (folds + 1)
            return rest - folds * valid, valid
        case Holdout(group=None, fraction=fraction) if rest is not None:
            valid = draw_count(rest, fraction)
        case TimeOrder(folds=None, fraction=wanted) if rest is not None:
            valid = draw_count(rest, wanted or TIME_FRACTION)
    return (None if rest is None or valid is None else max(rest - valid, 0)), valid


def _check_folds(folds: int, most: int, refusals: Refusals) -> None:
    if folds > most:
        message = f"{folds} folds, but {max(most, 0)} are the most that the rows outside the test part can be cut into"
        refusals.add(DATA, "split.validation.folds", message)


def _check_guide(split: Split, schema: TableSchema, refusals: Refusals) -> None:
    for path, name in guiding_columns(split).items():
        column = schema.column(name)
        if column is None:
            continue
        if column.missing:
            refusals.add(DATA, path, f"{name!r} has no value in {column.missing} rows; every row needs one")
        elif isinstance(split.validation, TimeOrder):
            _check_order(path, column, refusals)
        else:
            _check_groups(split, column, refusals)


def _check_order(path: str, column: ColumnSchema, refusals: Refusals) -> None:
    if column.kind in ("numeric", "date"):
        return
    for value in column.examples:
        try:
            parse_moment(value)
        except OrderError as error:
            refusals.add(DATA, path, f"{column.name!r} gives rows no order: {error}")
            return


def _check_groups(split: Split, column: ColumnSchema, refusals: Refusals) -> None:
    validation, name, there = split.validation, column.name, column.cardinality
    if isinstance(validation, Holdout | Kfold) and validation.stratify is True:
        refusals.add(DATA, "split.validation.stratify", GROUPED_STRATA)
    for_test = int(isinstance(split.test, FractionPart))
    if isinstance(validation, Kfold) and validation.folds > there - for_test:
        tested = ", of which the test part takes one at least" if for_test else ""
        message = f"{validation.folds} folds, but {name!r} has {there} groups{tested}"
        refusals.add(DATA, "split.validation.folds", message)
    elif there < 2 + for_test:
        message = f"{name!r} has {there} groups; every part needs one, and a group is never divided"
        refusals.add(DATA, "split.validation.group", message)


def _check_counts(n: int, part: Part, split: Split, refusals: Refusals) -> None:
    if part.train is None or part.validation is None or part.test is None:
        return
    empty = (split.test is not None and part.test == 0) or (split.stopping is not None and part.stopping == 0)
    if part.train < LEAST_TRAINING_ROWS or part.validation < 1 or empty:
        stops = f"{part.stopping} to stop, " if split.stopping is not None else ""
        message = (
            f"{n} rows give {part.train} to train, {stops}{part.validation} to validate, {part.test} to test; "
            f"at least {LEAST_TRAINING_ROWS} to train and 1 in every other part are needed"
        )
        refusals.add(DATA, "dataset", message)


def _count_marked(path: str, part: ColumnPart, schema: TableSchema, refusals: Refusals) -> int | None:
    column = schema.column(part.column)
    if column is None:
        return None
    if column.classes is None:
        message = f"{part.column!r} holds {column.cardinality} different values; a column that marks a part has fewer"
        refusals.add(DATA, f"{path}.column", message)
        return None
    for value in part.values:
        if not holds(column.classes, value):
            message = f"{part.column!r} never holds {value!r}; it holds {show(column.classes)}"
            refusals.add(DATA, f"{path}.values", message)
    counts = column.counts or []
    return sum(n for value, n in zip(column.classes, counts, strict=False) if holds(part.values, value))


def _count_values(name: str, schema: TableSchema, refusals: Refusals) -> list[int]:
    column = schema.column(name)
    if column is None:
        return []
    if not 2 <= column.cardinality <= MOST_FOLDS or column.counts is None:
        message = f"{name!r} holds {column.cardinality} different values; 2 to {MOST_FOLDS} number folds"
        refusals.add(DATA, "split.validation.column", message)
    return column.counts or []


def _check_overlap(split: Split, refusals: Refusals) -> None:
    earlier: list[tuple[str, ColumnPart]] = []
    for name, part in (("test", split.test), ("validation", split.validation), ("stopping", split.stopping)):
        if not isinstance(part, ColumnPart):
            continue
        for other_name, other in earlier:
            both = [value for value in part.values if holds(other.values, value)]
            if both and part.column == other.column:
                refusals.add(DATA, f"split.{name}.values", f"{show(both)} marks {other_name} rows already")
        earlier.append((name, part))


def _check_strata(
    split: Split, task: Task | None, targets: Sequence[ColumnSchema], n_test: int | None, refusals: Refusals
) -> None:
    validation = split.validation
    if not isinstance(validation, Holdout | Kfold) or not targets or _is_grouped(split):
        return
    path = "split.validation.stratify"
    by_class = task not in ("regression", "multilabel")
    if not by_class and validation.stratify is True:
        refusals.add(DATA, path, f"true needs the classes of one target; {task} takes auto or false")
        return
    if not by_class or (validation.stratify is not True and isinstance(validation, Holdout)):
        return
    classes, counts = targets[0].classes or [], targets[0].counts or []
    if isinstance(validation, Holdout):
        least = 2 if split.test is None else 3
        for value, n in zip(classes, counts, strict=False):
            if n < least:
                message = f"class {value!r} has {n} rows; {least} are needed to be in every part: use auto"
                refusals.add(DATA, path, message)
        return
    if isinstance(split.test, FractionPart) and n_test and counts and validation.stratify is not False:
        counts = [n - cut for n, cut in zip(counts, apportion(np.array(counts), n_test), strict=True)]
    least = validation.folds if validation.stratify is True else 2
    for value, n in zip(classes, counts, strict=False):
        if n < least:
            has = f"class {value!r} has {n} row{'s' if n > 1 else ''} outside the test part"
            why = "to be in every fold" if least > 2 else "to train every fold"
            refusals.add(DATA, path, f"{has}; {least} are needed {why}")
