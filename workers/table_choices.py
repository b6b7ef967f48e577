"""What a job learns from and what it predicts: target, task, features and split, by the schema of its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.dates import parse_date
from models.lanes import Classes, Task
from models.schema import ColumnSchema, TableSchema
from search.problems import join_path
from workers.body import JobSpec
from workers.columns import show, unknown_column
from workers.refusals import Refusals
from workers.resolved import FeatureColumn, Part
from workers.split_choices import DATA, check_split, count_folds, guiding_columns, marking_columns

MOST_CLASSES_GUESSED = 20


@dataclass(frozen=True)
class TableChoices:
    """`task` is None where the target leaves it open, which is then among the refusals."""

    targets: list[str]
    task: Task | None
    task_reason: str
    classes: Classes | None
    features: list[FeatureColumn]
    rows: Part
    folds: int


def choose_from_table(
    spec: JobSpec, schema: TableSchema, default_target: Sequence[str] | None, refusals: Refusals
) -> TableChoices:
    """Choose target, task, features and the rows of each part, and note what does not fit."""
    targets = _choose_targets(spec, schema, default_target, refusals)
    task, reason = choose_task(spec.task, targets)
    if targets and task is not None:
        _check_task(task, targets, refusals)
    features = _choose_features(spec, schema, [target.name for target in targets], refusals)
    classes = None if task in (None, "regression") else _list_classes(task, targets)
    rows = check_split(spec.split, schema, task, targets, refusals)
    return TableChoices(
        [target.name for target in targets], task, reason, classes, features, rows, count_folds(spec.split, schema)
    )


def choose_task(wanted: str, targets: Sequence[ColumnSchema]) -> tuple[Task | None, str]:
    """Choose the task, and say why.

    Several targets are multilabel if each is true or false, else regression. Of one target: text is binary with two
    classes and multiclass with more; true and false are binary; whole numbers are binary with two of them, multiclass
    with up to 20; other numbers are regression.
    """
    match wanted:
        case "regression" | "binary" | "multiclass" | "multilabel":
            return wanted, "as asked for"
    if not targets:
        return None, ""
    if len(targets) > 1:
        if all(target.kind == "boolean" for target in targets):
            return "multilabel", f"{len(targets)} targets, each true or false"
        return "regression", f"{len(targets)} targets"
    target = targets[0]
    n = target.cardinality
    if target.kind == "boolean":
        return "binary", f"{target.name} is true or false"
    if target.kind == "numeric" and not (target.integral and n <= MOST_CLASSES_GUESSED):
        return "regression", f"{target.name} holds {n} different numbers"
    what = "whole numbers" if target.kind == "numeric" else "classes"
    return "binary" if n <= 2 else "multiclass", f"{target.name} holds {n} {what}"


def _choose_targets(
    spec: JobSpec, schema: TableSchema, default_target: Sequence[str] | None, refusals: Refusals
) -> list[ColumnSchema]:
    given = spec.target if spec.target is not None else list(default_target or [])
    names = [given] if isinstance(given, str) else given
    if not names:
        refusals.add(DATA, "target", "name the column to predict")
    targets = []
    for name in dict.fromkeys(names):
        column = schema.column(name)
        if column is None:
            refusals.add(DATA, "target", unknown_column(name, schema))
        elif "date" in (column.kind, spec.columns.kinds.get(name)):
            refusals.add(DATA, "target", f"{name!r} holds dates; predict a number, such as the days to it, or a class")
        elif _is_learnable(column, refusals):
            targets.append(_as_kind(column, spec.columns.kinds.get(name)))
        if names.count(name) > 1:
            refusals.add(DATA, "target", f"{name!r} is named twice")
        for field in ("include", "exclude"):
            if name in (getattr(spec.columns, field) or []):
                refusals.add(DATA, f"columns.{field}", f"{name!r} is the target; it is never a feature, leave it out")
    for target in targets:
        if target.name in marking_columns(spec.split).values():
            refusals.add(DATA, "target", f"{target.name!r} marks the rows of a split; predict another column")
        if target.name in guiding_columns(spec.split).values():
            refusals.add(DATA, "target", f"{target.name!r} groups or orders the rows; predict another column")
    return targets


def _is_learnable(column: ColumnSchema, refusals: Refusals) -> bool:
    if column.cardinality == 0:
        refusals.add(DATA, "target", f"{column.name!r} holds nothing but missing values")
    elif column.cardinality == 1:
        only = f", {column.examples[0]!r}" if column.examples else ""
        message = f"{column.name!r} is constant: one class or value only{only}; at least 2 are needed"
        refusals.add(DATA, "target", message)
    return column.cardinality > 1


def _as_kind(column: ColumnSchema, kind: str | None) -> ColumnSchema:
    return column.model_copy(update={"kind": kind}) if kind else column


def _check_task(task: Task, targets: list[ColumnSchema], refusals: Refusals) -> None:
    if task == "regression":
        for target in targets:
            if target.kind == "categorical":
                message = f"regression needs numbers; {target.name!r} holds {show(target.examples)}"
                refusals.add(DATA, "target", message)
        return
    if task != "multilabel" and len(targets) > 1:
        several = "several are regression or multilabel"
        refusals.add(DATA, "task", f"{task} takes one target, {len(targets)} were given; {several}")
        return
    for target in targets:
        _check_label(task, target, refusals)


def _check_label(task: Task, target: ColumnSchema, refusals: Refusals) -> None:
    if task != "multiclass" and target.cardinality != 2:
        hint = ": multiclass takes them" if task == "binary" else ""
        message = f"{task} needs 2 classes; {target.name!r} has {target.cardinality}{hint}"
        refusals.add(DATA, "task", message)
    elif target.classes is None:
        message = f"{target.name!r} has {target.cardinality} classes; at most 1000, of 200 letters, are taken"
        refusals.add(DATA, "task", message)


def _list_classes(task: Task | None, targets: list[ColumnSchema]) -> Classes | None:
    if task == "multilabel":
        return {target.name: target.classes or [] for target in targets}
    return targets[0].classes if targets else None


def _choose_features(spec: JobSpec, schema: TableSchema, targets: list[str], refusals: Refusals) -> list[FeatureColumn]:
    wanted = spec.columns
    for field, names in (("include", wanted.include or []), ("exclude", wanted.exclude), ("kinds", wanted.kinds)):
        for name in names:
            if schema.column(name) is None:
                refusals.add(DATA, f"columns.{field}", unknown_column(name, schema))
    left_out = {*targets, *wanted.exclude, *marking_columns(spec.split).values()}
    left_out |= {*guiding_columns(spec.split).values()} - {*(wanted.include or [])}
    columns = [column for column in schema.columns if column.name not in left_out]
    if wanted.include is not None:
        columns = [column for column in columns if column.name in wanted.include]
    if not columns:
        refusals.add(DATA, "columns", "no feature is left: every column is a target, excluded or marks the split")
    return [feature for column in columns if (feature := _as_feature(column, spec, refusals))]


def _as_feature(column: ColumnSchema, spec: JobSpec, refusals: Refusals) -> FeatureColumn | None:
    if column.kind == "empty":
        field = "include" if spec.columns.include is not None else "exclude"
        message = f"column {column.name!r} holds nothing but missing values: it must be left out of the features"
        refusals.add(DATA, f"columns.{field}", message)
        return None
    kind = spec.columns.kinds.get(column.name, column.kind)
    if kind == "numeric" and column.kind == "categorical":
        message = f"it holds text that is no number, such as {show(column.examples)}"
        refusals.add(DATA, join_path("columns.kinds", column.name), message)
    elif kind == "numeric" and column.kind == "date":
        message = "it holds dates, which become numbers as they are: leave it out, or say categorical"
        refusals.add(DATA, join_path("columns.kinds", column.name), message)
    elif kind == "date" and column.kind != "date" and not _may_be_dates(column):
        message = f"it holds values that are no dates as in 2020-01-31, such as {show(column.examples)}"
        refusals.add(DATA, join_path("columns.kinds", column.name), message)
    return FeatureColumn(name=column.name, kind=kind)


def _may_be_dates(column: ColumnSchema) -> bool:
    """Tell whether all texts that are known of a column are dates; the others are read when the job begins."""
    known = column.classes if column.classes is not None else column.examples
    return all(isinstance(value, str) and parse_date(value) is not None for value in known)
