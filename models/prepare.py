"""A table and a job's wishes to the data of its packs: rows dropped, split, encoded. No file formats, no networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.lanes import PackData, Task
from models.preprocess import FeatureError, Preprocessor, Target, fit_preprocessor, standard_units, to_numbers
from models.schema import ColumnPart, FractionPart, Holdout, Kfold
from models.split import Parts, Rows, SplitError, SplitSettings, split_rows
from models.table import Column, Table, distinct_values, missing_mask, plain_value


class PrepareError(ValueError):
    """Data that no network can learn from; `path` is the field of the job to change."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


@dataclass(frozen=True)
class PrepareRequest:
    """What a job says about its data. `features` maps a column to its kind, in the order of the network's inputs."""

    features: Mapping[str, str]
    targets: list[str]
    task: Task
    test: FractionPart | ColumnPart | None
    validation: Holdout | ColumnPart | Kfold
    split_seed: int = 0


@dataclass(frozen=True)
class Prepared:
    """The data of a job's packs, the test rows kept apart, and what a model's card must tell.

    Shapes: x_test [N, D]. y_test: regression [N, C] float64 in raw units, else [N] class indices. Both None without
    a test part. `classes` are JSON values in the order of their indices. `example` is the first training row, raw.
    """

    data: PackData
    preprocessor: Preprocessor
    targets: list[Target]
    x_test: NDArray[np.float32] | None
    y_test: NDArray[np.float64] | NDArray[np.int64] | None
    classes: list[Any] | None
    example: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def target_names(self) -> list[str]:
        """Name the target columns."""
        return [target.name for target in self.targets]


@dataclass(frozen=True)
class _Labels:
    """Targets of all rows of the table: raw numbers [N, C] for regression, class indices [N] else."""

    values: NDArray[np.float64] | NDArray[np.int64]
    classes: list[Any] | None


def prepare(table: Table, request: PrepareRequest) -> Prepared:
    """Split the rows and fit the preprocessing on the training rows only.

    Raises: PrepareError.
    """
    notes: list[str] = []
    rows = _rows_with_targets(table, request, notes)
    labels = _read_labels(table, request, rows)
    parts = _split(table, request, rows, labels)
    columns = _feature_columns(table, request)
    preprocessor = _fit(columns, request, parts.train, notes)
    targets = _fit_targets(request, labels, parts)
    x_test, y_test = None, None
    if request.test is not None:
        x_test, y_test = _encode(columns, preprocessor, parts.test), labels.values[parts.test]
    return Prepared(
        data=_pack_data(request.task, labels, parts, targets, lambda rows: _encode(columns, preprocessor, rows)),
        preprocessor=preprocessor,
        targets=targets,
        x_test=x_test,
        y_test=y_test,
        classes=labels.classes,
        example={f.name: plain_value(table.columns[f.name][parts.train[0]]) for f in preprocessor.features},
        notes=notes,
    )


def _rows_with_targets(table: Table, request: PrepareRequest, notes: list[str]) -> Rows:
    unknown = [name for name in request.targets if name not in table.columns]
    if unknown or not request.targets:
        raise PrepareError("target", f"there is no column {unknown[0]!r}" if unknown else "no target is named")
    missing = np.zeros(table.n_rows, dtype=bool)
    for name in request.targets:
        missing |= missing_mask(table.columns[name])
    if missing.all():
        raise PrepareError("target", f"no row has a value of {_quote(request.targets)}")
    if missing.any():
        notes.append(f"{int(missing.sum()):,} of {table.n_rows:,} rows have no target and are left out")
    return np.flatnonzero(~missing)


def _read_labels(table: Table, request: PrepareRequest, rows: Rows) -> _Labels:
    if request.task == "regression":
        try:
            columns = [to_numbers(name, table.columns[name]) for name in request.targets]
        except FeatureError as error:
            raise PrepareError("target", f"{error.message}: regression needs numbers") from None
        return _Labels(np.stack(columns, axis=1), None)
    if len(request.targets) != 1:
        raise PrepareError("target", f"{request.task} takes one target, {len(request.targets)} were given")
    return _index_classes(table.columns[request.targets[0]], request, rows)


def _index_classes(column: Column, request: PrepareRequest, rows: Rows) -> _Labels:
    values, _ = distinct_values(column)
    if len(values) < 2:
        raise PrepareError("target", f"{_quote(request.targets)} has one class only, {plain_value(values[0])!r}")
    if request.task == "binary" and len(values) != 2:
        raise PrepareError("task", f"binary needs two classes, {_quote(request.targets)} has {len(values)}")
    places = {value: place for place, value in enumerate(values)}
    indices = np.zeros(len(column), dtype=np.int64)
    indices[rows] = [places[cell] for cell in column[rows].tolist()]
    return _Labels(indices, [plain_value(value) for value in values])


def _split(table: Table, request: PrepareRequest, rows: Rows, labels: _Labels) -> Parts:
    settings = SplitSettings(request.test, request.validation, request.split_seed)
    classes = labels.values.astype(np.int64) if labels.classes is not None else None
    try:
        parts = split_rows(settings, table.columns, rows, classes)
    except SplitError as error:
        raise PrepareError(error.path, error.message) from None
    n_train, n_valid, n_test = len(parts.train), len(parts.valid), len(parts.test)
    given = f"{len(rows)} rows give {n_train} to train, {n_valid} to validate, {n_test} to test"
    if n_train < 2 or n_valid == 0:
        raise PrepareError("split", f"{given}; at least 2 to train and 1 to validate are needed")
    if request.test is not None and n_test == 0:
        raise PrepareError("split.test", f"{given}; a test part needs a row (or set split.test to null)")
    return parts


def _feature_columns(table: Table, request: PrepareRequest) -> dict[str, Column]:
    """Pick the features, numeric ones as numbers."""
    columns = {}
    for name, kind in request.features.items():
        if name not in table.columns:
            raise PrepareError("columns.include", f"there is no column {name!r}")
        try:
            columns[name] = to_numbers(name, table.columns[name]) if kind == "numeric" else table.columns[name]
        except FeatureError as error:
            raise PrepareError(f"columns.kinds.{name}", error.message) from None
    return columns


def _fit(columns: dict[str, Column], request: PrepareRequest, train: Rows, notes: list[str]) -> Preprocessor:
    try:
        fit = fit_preprocessor({name: column[train] for name, column in columns.items()}, request.features)
    except FeatureError as error:
        raise PrepareError(f"columns.kinds.{error.name}", error.message) from None
    notes.extend(fit.notes)
    if not fit.preprocessor.features:
        raise PrepareError("columns", "no feature is left: every column is a target, excluded or without values")
    return fit.preprocessor


def _fit_targets(request: PrepareRequest, labels: _Labels, parts: Parts) -> list[Target]:
    train = labels.values[parts.train]
    if labels.classes is not None:
        _check_classes(request, labels.classes, train)
        return [Target(name=request.targets[0])]
    targets = []
    for name, values in zip(request.targets, train.astype(np.float64).T, strict=True):
        mean, scale = standard_units(values)
        if scale == 0 or not np.isfinite([mean, scale]).all():
            reason = "is constant in the training rows" if scale == 0 else "holds numbers too large to standardise"
            raise PrepareError("target", f"{name!r} {reason}: nothing can be learned")
        targets.append(Target(name=name, mean=mean, scale=scale))
    return targets


def _check_classes(request: PrepareRequest, classes: list[Any], train: NDArray[Any]) -> None:
    outside = np.setdiff1d(np.arange(len(classes)), train)
    if len(outside):
        named = ", ".join(repr(classes[place]) for place in outside[:5])
        raise PrepareError("split", f"class {named} of {_quote(request.targets)} occurs in no training row")


def _pack_data(
    task: Task, labels: _Labels, parts: Parts, targets: list[Target], encode: Callable[[Rows], NDArray[np.float32]]
) -> PackData:
    mean = np.array([target.mean for target in targets])
    scale = np.array([target.scale for target in targets])
    n_outputs = {"regression": len(targets), "binary": 1}.get(task, len(labels.classes or ()))
    values: Any = labels.values
    if task == "regression":
        values = ((labels.values - mean) / scale).astype(np.float32)
    return PackData(
        task=task,
        n_outputs=n_outputs,
        x_train=encode(parts.train),
        y_train=values[parts.train],
        x_valid=encode(parts.valid),
        y_valid=values[parts.valid],
        target_mean=mean,
        target_scale=scale,
    )


def _encode(columns: dict[str, Column], preprocessor: Preprocessor, rows: Rows) -> NDArray[np.float32]:
    return preprocessor.transform({name: column[rows] for name, column in columns.items()})


def _quote(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)
