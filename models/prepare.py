"""A table and a job's wishes to the data of its packs: rows dropped and split. No file formats, no networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.categories import code_column
from models.dates import parse_date, parse_dates
from models.draw import SplitError
from models.features import Cells
from models.hyper import LaneHyperparameters
from models.job_data import Encoder, Fold, JobData, NoFeatureError, Rows, TargetError
from models.lanes import Classes, PackData, Task
from models.preprocess import EncodingError, FeatureError, to_numbers
from models.schema import StoppingPart, TestPart, ValidationPart
from models.split import Parts, SplitSettings, split_rows
from models.table import Column, Table, distinct_values, missing_mask, plain_value

DEFAULTS = LaneHyperparameters()


class PrepareError(ValueError):
    """Data that no network can learn from; `path` is the field of the job to change."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


@dataclass(frozen=True)
class PrepareRequest:
    """What a job says about its data. `features` maps a column to its kind, in the order of the network's inputs.
    `hyper` says how to encode it where nobody asks for anything else."""

    features: Mapping[str, str]
    targets: list[str]
    task: Task
    test: TestPart | None
    validation: ValidationPart
    split_seed: int = 0
    stopping: StoppingPart | None = None
    refit: bool = False
    hyper: LaneHyperparameters = DEFAULTS


@dataclass(frozen=True)
class Prepared:
    """The data of a job's packs, the test rows kept apart, and what a model's card must tell.

    Shapes: test_columns [N] each, as in `JobData`. y_test: regression [N, C] float64 in raw units, multilabel [N, C] of
    0 and 1, else [N] class indices. Both None without a test part. `classes` are JSON values in the order of their
    indices, for multilabel those of each target. `example` is the first training row, raw. `refit_fold` trains on all
    rows but the test rows; what it validates on it has seen. `kin` is that of `models.split.Parts`.
    """

    job_data: JobData
    test_columns: dict[str, Cells] | None
    y_test: NDArray[np.float64] | NDArray[np.int64] | None
    classes: Classes | None
    hyper: LaneHyperparameters = DEFAULTS
    example: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    refit_fold: int | None = None
    kin: NDArray[np.int64] | None = None

    @property
    def n_folds(self) -> int:
        """Count the folds that rank trials: all but the one that trains winners on all rows."""
        return len(self.job_data.folds) - (self.refit_fold is not None)

    @property
    def data(self) -> PackData:
        """Encode the first fold as `hyper` asks."""
        return self.job_data.view(self.hyper, 0)


@dataclass(frozen=True)
class _Labels:
    """Targets of all rows of the table: raw numbers [N, C] for regression, class indices [N] or [N, C] else."""

    values: NDArray[np.float64] | NDArray[np.int64]
    classes: Classes | None


def prepare(table: Table, request: PrepareRequest) -> Prepared:
    """Split the rows and fit the preprocessing on the training rows only.

    Raises: PrepareError.
    """
    notes: list[str] = []
    rows = _rows_with_targets(table, request, notes)
    labels = _read_labels(table, request, rows)
    parts = _split(table, request, rows, labels)
    columns = _feature_columns(table, request)
    if labels.classes is not None:
        for fold in parts.folds:
            _check_classes(request, labels.classes, labels.values[fold.train])
    job_data = _job_data(request, columns, labels, parts)
    encoder = _fit(job_data, request.hyper)
    test = parts.test if request.test is not None else None
    first = parts.folds[0].train[0]
    return Prepared(
        job_data=job_data,
        test_columns=None if test is None else {name: column[test] for name, column in columns.items()},
        y_test=None if test is None else labels.values[test],
        classes=labels.classes,
        hyper=request.hyper,
        example={f.name: plain_value(table.columns[f.name][first]) for f in encoder.preprocessor.features},
        notes=[*notes, *encoder.notes],
        refit_fold=len(parts.folds) if request.refit else None,
        kin=parts.kin,
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
    indexed = {name: _index_classes(name, table.columns[name], request.task, rows) for name in request.targets}
    if request.task == "multilabel":
        return _Labels(
            np.stack([indices for indices, _ in indexed.values()], axis=1),
            {name: classes for name, (_, classes) in indexed.items()},
        )
    if len(request.targets) != 1:
        raise PrepareError("target", f"{request.task} takes one target, {len(request.targets)} were given")
    return _Labels(*indexed[request.targets[0]])


def _index_classes(name: str, column: Column, task: Task, rows: Rows) -> tuple[NDArray[np.int64], list[Any]]:
    """Number the classes of a target in their order; return the number of each row, and the classes."""
    values, _ = distinct_values(column)
    if len(values) < 2:
        raise PrepareError("target", f"{name!r} has one class only, {plain_value(values[0])!r}")
    if task != "multiclass" and len(values) != 2:
        raise PrepareError("task", f"{task} needs two classes, {name!r} has {len(values)}")
    places = {value: place for place, value in enumerate(values)}
    indices = np.zeros(len(column), dtype=np.int64)
    indices[rows] = [places[cell] for cell in column[rows].tolist()]
    return indices, [plain_value(value) for value in values]


def _split(table: Table, request: PrepareRequest, rows: Rows, labels: _Labels) -> Parts:
    settings = SplitSettings(request.test, request.validation, request.split_seed, request.stopping)
    classes = labels.values.astype(np.int64) if isinstance(labels.classes, list) else None
    try:
        parts = split_rows(settings, table.columns, rows, classes)
    except SplitError as error:
        raise PrepareError(error.path, error.message) from None
    for number, fold in enumerate(parts.folds):
        n_train, n_valid, n_stop, n_test = map(len, (*fold, parts.test))
        of_fold = f"fold {number}: " if len(parts.folds) > 1 else ""
        stops = f"{n_stop} to stop, " if request.stopping is not None else ""
        given = f"{of_fold}{len(rows)} rows give {n_train} to train, {stops}{n_valid} to validate, {n_test} to test"
        if n_train < 2 or n_valid == 0:
            raise PrepareError("split", f"{given}; at least 2 to train and 1 to validate are needed")
        if request.stopping is not None and n_stop == 0:
            raise PrepareError("split.stopping", f"{given}; a stopping part needs a row")
        if request.test is not None and n_test == 0:
            raise PrepareError("split.test", f"{given}; a test part needs a row (or set split.test to null)")
    return parts


def _feature_columns(table: Table, request: PrepareRequest) -> dict[str, Cells]:
    """Pick the features: numbers, dates, and all else in codes."""
    columns = {}
    for name, kind in request.features.items():
        if name not in table.columns:
            raise PrepareError("columns.include", f"there is no column {name!r}")
        try:
            columns[name] = _read_feature(name, table.columns[name], kind)
        except FeatureError as error:
            raise PrepareError(f"columns.kinds.{name}", error.message) from None
    return columns


def _read_feature(name: str, column: Column, kind: str) -> Cells:
    """Raises: FeatureError for a column that is not of this kind."""
    if kind == "numeric":
        return to_numbers(name, column)
    if kind == "date":
        return to_dates(name, column)
    return code_column(column)


def to_dates(name: str, column: Column) -> Column:
    """Read a column of dates, or of texts that are dates.

    Raises: FeatureError.
    """
    if column.dtype.kind == "M":
        return column
    coded = code_column(column)
    dates = parse_dates(coded.values)
    if dates is None:
        others = ", ".join(repr(value) for value in [v for v in coded.values if parse_date(v) is None][:5])
        raise FeatureError(name, f"column {name!r} holds values that are no dates, such as {others}")
    return np.append(dates, np.datetime64("NaT"))[coded.codes]


def _job_data(request: PrepareRequest, columns: dict[str, Cells], labels: _Labels, parts: Parts) -> JobData:
    """Keep the rows that train, stop or rank, numbered anew."""
    kept = np.unique(np.concatenate([part for fold in parts.folds for part in fold]))
    folds = [Fold(*(np.searchsorted(kept, part) for part in fold)) for fold in parts.folds]
    if request.refit:
        folds.append(folds[0]._replace(train=np.arange(len(kept))))
    n_outputs = len(labels.classes or ()) if request.task == "multiclass" else len(request.targets)
    return JobData(
        task=request.task,
        kinds=dict(request.features),
        columns={name: column[kept] for name, column in columns.items()},
        target_names=list(request.targets),
        labels=labels.values[kept],
        n_outputs=n_outputs,
        folds=folds,
    )


def _fit(job_data: JobData, hyper: LaneHyperparameters) -> Encoder:
    """Fit every fold as the job asks where nothing varies, to find out whether it can be done; give the first."""
    try:
        first, *_ = [job_data.encoder(hyper, fold) for fold in range(len(job_data.folds))]
    except FeatureError as error:
        raise PrepareError(f"columns.kinds.{error.name}", error.message) from None
    except TargetError as error:
        raise PrepareError("target", str(error)) from None
    except (NoFeatureError, EncodingError) as error:
        raise PrepareError("columns", str(error)) from None
    return first


def _check_classes(request: PrepareRequest, classes: Classes, train: NDArray[Any]) -> None:
    of_targets = classes if isinstance(classes, dict) else {request.targets[0]: classes}
    for (name, values), column in zip(of_targets.items(), train.reshape(len(train), -1).T, strict=True):
        outside = np.setdiff1d(np.arange(len(values)), column)
        if len(outside):
            named = ", ".join(repr(values[place]) for place in outside[:5])
            raise PrepareError("split", f"class {named} of {name!r} occurs in no training row")


def _quote(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)
