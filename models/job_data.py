"""The rows of a job as read from its table, and how lanes are shown them: encoded for each fold, when asked for.

Fitting is a pure function of the training rows of a fold, so driver and pack actors come to the same numbers, and a
way to encode that no lane has asked for costs nothing. No file formats, no networks.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.embedding import choose_embedding
from models.features import Cells
from models.hyper import LaneHyperparameters, OutputActivationName
from models.lanes import PackData, Task, ViewShape
from models.numbers import standard_units
from models.preprocess import Preprocessor, Target, fit_preprocessor

T = TypeVar("T")
Rows = NDArray[np.int64]
VIEWS_KEPT, ENCODERS_KEPT = 4, 16
"""Views are as large as the table, what is fitted to make them is smaller."""
NO_ROWS: Rows = np.zeros(0, np.int64)


class Fold(NamedTuple):
    """Row numbers, ascending: which train, which rank, and which decide the best epoch in place of the latter."""

    train: Rows
    valid: Rows
    stop: Rows = NO_ROWS


class TargetError(ValueError):
    """A target from which nothing can be learned in the way that was asked for."""


class NoFeatureError(ValueError):
    """Training rows in which no column has a value."""


@dataclass(frozen=True)
class Encoder:
    """What was fitted on the training rows of one fold, with what a user should hear about it."""

    preprocessor: Preprocessor
    targets: list[Target]
    notes: list[str]


@dataclass(frozen=True, eq=False)
class JobData:
    """All rows of a job but the test rows; see `models.lanes.Views`.

    Shapes: columns [N] each, numbers as float64, dates as datetime64, all else in codes; labels: regression [N, C]
    float64 in raw units, multilabel [N, C] of 0 and 1, else [N] class indices. `kinds` name the features in the order
    of the network's inputs.
    """

    task: Task
    kinds: Mapping[str, str]
    columns: Mapping[str, Cells]
    target_names: list[str]
    labels: NDArray[np.float64] | NDArray[np.int64]
    n_outputs: int
    folds: list[Fold]
    _encoders: dict[Hashable, Encoder] = field(default_factory=dict, init=False, repr=False)
    _views: dict[Hashable, PackData] = field(default_factory=dict, init=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_encoders": {}, "_views": {}}

    def view_key(self, hyper: LaneHyperparameters, fold: int) -> Hashable:
        """See `Views`."""
        return fold, *hyper.encoding

    def view(self, hyper: LaneHyperparameters, fold: int) -> PackData:
        """See `Views`.

        Raises: FeatureError, EncodingError, NoFeatureError, TargetError.
        """

        def encode() -> PackData:
            encoder = self.encoder(hyper, fold)
            data = self._encode(encoder, self.folds[fold], hyper)
            return replace(data, embedding=choose_embedding(encoder.preprocessor, hyper))

        return _recall(self._views, self.view_key(hyper, fold), encode, VIEWS_KEPT)

    def shape(self, hyper: LaneHyperparameters, fold: int) -> ViewShape:
        """See `Views`.

        Raises: FeatureError, EncodingError, NoFeatureError, TargetError.
        """
        train, valid, stop = map(len, self.folds[fold])
        preprocessor = self.encoder(hyper, fold).preprocessor
        embedding = choose_embedding(preprocessor, hyper)
        return ViewShape(train, valid + stop, preprocessor.n_inputs, self.n_outputs, embedding)

    def encoder(self, hyper: LaneHyperparameters, fold: int) -> Encoder:
        """Fit on the training rows of a fold, as the hyperparameters ask.

        Raises: FeatureError, EncodingError, NoFeatureError, TargetError.
        """
        key = self.view_key(hyper, fold)
        return _recall(self._encoders, key, lambda: self._fit(self.folds[fold], hyper), ENCODERS_KEPT)

    def part(self, rows: Rows) -> dict[str, Cells]:
        """Pick rows, as read."""
        return {name: column[rows] for name, column in self.columns.items()}

    def _fit(self, fold: Fold, hyper: LaneHyperparameters) -> Encoder:
        fit = fit_preprocessor(self.part(fold.train), self.kinds, hyper)
        if not fit.preprocessor.features:
            raise NoFeatureError("no feature is left: every column is a target, excluded or without values")
        return Encoder(fit.preprocessor, self._fit_targets(fold, hyper.output_activation), fit.notes)

    def _fit_targets(self, fold: Fold, activation: OutputActivationName) -> list[Target]:
        if self.task != "regression":
            return [Target(name=name) for name in self.target_names]
        columns = self.labels[fold.train].astype(np.float64).T
        return [fit_target(name, values, activation) for name, values in zip(self.target_names, columns, strict=True)]

    def _encode(self, encoder: Encoder, fold: Fold, hyper: LaneHyperparameters) -> PackData:
        mean = np.array([target.mean for target in encoder.targets])
        scale = np.array([target.scale for target in encoder.targets])
        values: Any = self.labels
        if self.task == "regression":
            values = ((self.labels - mean) / scale).astype(np.float32)
        train, valid, stop = (encoder.preprocessor.transform(self.part(rows)) for rows in fold)
        parts = train, values[fold.train], valid, values[fold.valid]
        stopping = (stop, values[fold.stop]) if len(fold.stop) else None
        weights = None
        if self.task != "regression" and hyper.class_weight == "balanced":
            weights = balanced_weights(values[fold.train])
        return PackData(self.task, self.n_outputs, *parts, mean, scale, weights=weights, stopping=stopping)


def _recall(kept: dict[Hashable, T], key: Hashable, make: Callable[[], T], most: int) -> T:
    """Give what was made before, or make it and forget what was made first of `most`."""
    if key not in kept:
        made = make()
        while len(kept) >= most:
            del kept[next(iter(kept))]
        kept[key] = made
    return kept[key]


def balanced_weights(labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Weigh rows so that every class of a label weighs the same; they average 1.

    Source: sklearn.utils.class_weight.compute_class_weight("balanced"): n / (classes * rows of the class), for each
    column by itself. Shapes: [N] or [N, L] -> [N, 1] or [N, L].
    """
    columns = labels.reshape(len(labels), -1).T
    weights = []
    for column in columns:
        counts = np.bincount(column)
        weights.append((len(column) / (np.count_nonzero(counts) * np.maximum(counts, 1)))[column])
    return np.stack(weights, axis=1).astype(np.float32)


def fit_target(name: str, values: NDArray[np.float64], activation: OutputActivationName) -> Target:
    """Scale a target to what outputs can be: standard units, or the range of their activation.

    Raises: TargetError.
    """
    mean, scale = standard_units(values)
    lowest, highest = float(values.min()), float(values.max())
    if scale == 0 or not np.isfinite([mean, scale]).all():
        reason = "is constant in the training rows" if scale == 0 else "holds numbers too large to standardise"
        raise TargetError(f"{name!r} {reason}: nothing can be learned")
    match activation:
        case "relu" | "softplus":
            if lowest < 0:
                raise TargetError(f"{name!r} holds {lowest:g}: the output activation {activation} is never below 0")
            mean = 0.0
        case "logistic":
            mean, scale = lowest, highest - lowest
        case "tanh":
            mean, scale = (lowest + highest) / 2, (highest - lowest) / 2
    return Target(name=name, mean=mean, scale=scale)
