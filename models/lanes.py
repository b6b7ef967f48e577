"""What goes into a pack and what comes out: plain values that travel between processes. No maths, no torch."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.embedding import Embedding
from models.hyper import LaneHyperparameters

Task = Literal["regression", "binary", "multiclass", "multilabel"]
Classes = list[Any] | dict[str, list[Any]]
"""The classes of a target, or of each of several by its name: JSON values in the order of their indices."""
Outcome = Literal["diverged", "patience", "failed", "final"]
Layers = list[tuple[NDArray[np.float32], ...]]
"""Weight [I, O] and bias [O] of every layer, with layer normalisation scale [O] and shift [O] of hidden ones, unpadded,
in order. Batch normalisation is part of weight and bias. With a periodic embedding its frequencies [F] stand alone in
front."""


class ViewShape(NamedTuple):
    """Rows that train and rows that are judged, the stopping rows among them; widths of a network's two ends, and what
    of its inputs it embeds."""

    n_train: int
    n_valid: int
    n_inputs: int
    n_outputs: int
    embedding: Embedding | None = None


class Views(Protocol):
    """The data of a job as lanes see them: one `PackData` for each fold and each way to encode."""

    def view_key(self, hyper: LaneHyperparameters, fold: int) -> Hashable:
        """Lanes with the same key see the same rows."""

    def view(self, hyper: LaneHyperparameters, fold: int) -> PackData:
        """Encode the rows of a fold.

        Raises: ValueError where they cannot be encoded as the hyperparameters ask.
        """

    def shape(self, hyper: LaneHyperparameters, fold: int) -> ViewShape:
        """Measure a view without encoding its rows.

        Raises: ValueError where they cannot be encoded as the hyperparameters ask.
        """


@dataclass(frozen=True)
class PackData:
    """Preprocessed rows, the same for all lanes of one fold that encode alike; by itself, all the data of a job.

    Shapes: x_* [N, D] float32. y_*: regression [N, C] float32, scaled by target_mean and target_scale [C]; binary and
    multiclass [N] int64 class indices; multilabel [N, C] int64 of 0 and 1. C is 1 for binary, the number of classes for
    multiclass, of labels for multilabel. `embedding` says which inputs a network embeds. `weights` of the training rows
    in the loss, float32: [N, 1], of each label [N, C] for multilabel; None is 1 for all.
    """

    task: Task
    n_outputs: int
    x_train: NDArray[np.float32]
    y_train: NDArray[np.float32] | NDArray[np.int64]
    x_valid: NDArray[np.float32]
    y_valid: NDArray[np.float32] | NDArray[np.int64]
    target_mean: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    target_scale: NDArray[np.float64] = field(default_factory=lambda: np.ones(1))
    embedding: Embedding | None = None
    weights: NDArray[np.float32] | None = None
    stopping: tuple[NDArray[np.float32], NDArray[np.float32] | NDArray[np.int64]] | None = None
    """x and y of the rows that decide the best epoch in place of the validation rows."""

    def view_key(self, hyper: LaneHyperparameters, fold: int) -> Hashable:
        """See `Views`. The rows are the same whatever is asked for, but not what outputs stand for."""
        return hyper.encoding

    def view(self, hyper: LaneHyperparameters, fold: int) -> PackData:
        """See `Views`."""
        return self

    def shape(self, hyper: LaneHyperparameters, fold: int) -> ViewShape:
        """See `Views`."""
        n_valid = len(self.x_valid) + (len(self.stopping[0]) if self.stopping else 0)
        return ViewShape(len(self.x_train), n_valid, self.x_train.shape[1], self.n_outputs, self.embedding)


class Watch(NamedTuple):
    """Which of the reported values decides the best epoch, and what counts as better.

    The rule is that of Keras' EarlyStopping with restore_best_weights: an improvement is one of more than `min_delta`.
    """

    place: int = 0
    maximize: bool = False
    min_delta: float = 0.0

    def improves(self, values: Sequence[float], best: float | None) -> bool:
        """Say whether an epoch with these values is better than the best one so far; what is no number never is."""
        value = values[self.place]
        if best is None:
            return not math.isnan(value)
        return value > best + self.min_delta if self.maximize else value < best - self.min_delta


@dataclass(frozen=True)
class PackSettings:
    """What all lanes of a job share besides the data. `metrics` are validation metrics by scikit-learn's scorer
    names without neg_, in raw units; `metrics[0]` is the objective, `maximize` its direction. Where there is a
    `stopping_metric`, it is computed on the stopping rows and reported behind the others; before it stand the `facts`
    of the network (`models.scores.FACTS`) that are asked for. `patience` counts epochs
    without an improvement of what is watched, which is the objective where nothing else is said; None never stops.
    Where a pack does not decide which epochs are best, somebody else does, by `Pack.keep_best`."""

    seed: int
    metrics: tuple[str, ...]
    maximize: bool
    patience: int | None = None
    watch: Watch | None = None
    stopping_metric: str | None = None
    decides_best: bool = True
    facts: tuple[str, ...] = ()

    @property
    def watched(self) -> Watch:
        """What decides the best epoch."""
        return self.watch or Watch(0, self.maximize)

    @property
    def computed(self) -> tuple[str, ...]:
        """The metrics behind the values of a report, in order."""
        last = () if self.stopping_metric is None else (self.stopping_metric,)
        return *self.metrics, *self.facts, *last


@dataclass(frozen=True)
class LaneState:
    """All that training needs to go on: a pure value. `epoch` is the age of the weights, `n_steps` the optimizer's
    step count. `arrays` holds flat arrays by name (parameters, optimizer state, running statistics of batch
    normalisation)."""

    epoch: int
    n_steps: int
    arrays: dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class LaneStart:
    """Admit a lane, or give a live one another state (PBT, HyperBand's resume).

    `state` None means fresh weights from `seed`. `sequence` is the number of reports its trial has already made,
    `best_value` (of what is watched) and `n_since_best` its early-stopping memory, which belongs to the trial and
    survives an exploit.
    A live lane that is started again keeps its best weights; a new one has `best`, which it brings along if it moves.
    `fold` says which rows it trains on. A lane that repeats epochs is `patient`: it never ends by patience.
    With an `ancestor`, `state` is that of a network with these hyperparameters, whose weights the lane inherits: it
    begins at age 0, in its own shape.
    """

    lane: int
    hyper: LaneHyperparameters
    seed: int
    state: LaneState | None = None
    sequence: int = 0
    best_value: float | None = None
    n_since_best: int = 0
    best: Layers | None = None
    fold: int = 0
    patient: bool = False
    ancestor: LaneHyperparameters | None = None

    @property
    def epoch(self) -> int:
        """The age of the weights that the lane begins with."""
        return 0 if self.state is None or self.ancestor is not None else self.state.epoch


@dataclass(frozen=True)
class LaneError:
    """Why one lane failed by itself. `kind` is the exception's class name."""

    kind: str
    message: str
    traceback: str = ""
    out_of_memory: bool = False


@dataclass(frozen=True)
class LaneReport:
    """One epoch of one lane. `values` follow PackSettings.metrics, then that of the stopping rows. `outcome` is set on
    the last report of a lane that ended by itself: `diverged` (values may be NaN), `patience`, `failed` (values are
    NaN, `error` says why), `final` (whoever trains it outside says that it is done). An `error` without an outcome: it
    failed outside and is tried again; the report has the epoch of the one before and no values. Where a trial has
    several lanes, values are means and `parts` holds those of each."""

    lane: int
    sequence: int
    epoch: int
    train_loss: float
    values: tuple[float, ...]
    outcome: Outcome | None = None
    error: LaneError | None = None
    parts: tuple[tuple[float, ...], ...] = ()

    @property
    def is_retried(self) -> bool:
        """It failed, and is tried again."""
        return self.error is not None and self.outcome is None
