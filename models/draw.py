"""Draws rows into parts and deals them into folds, the same on every machine. Which parts: `models/split.py`.

Folds have scikit-learn's properties (KFold, StratifiedKFold, GroupKFold, TimeSeriesSplit), not its draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.job_data import Fold, Rows

Classes = NDArray[np.int64]


class SplitError(ValueError):
    """A split that cannot be made; `path` is the field of the job that asks for it."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


@dataclass(frozen=True)
class Shuffle:
    """A random order of rows. It sorts by PCG64's raw stream, which numpy promises never to change."""

    seed: int
    purpose: Literal["test", "validation", "folds", "stopping"]
    number: int = 0

    def order(self, rows: Rows) -> Rows:
        """Shuffle rows."""
        salt = {"test": 1, "validation": 2, "folds": 3, "stopping": 4}[self.purpose]
        words = [self.seed, salt, self.number] if self.number else [self.seed, salt]
        keys: Any = np.random.PCG64(words).random_raw(len(rows))
        shuffled: Rows = rows[np.argsort(keys, kind="stable")]
        return shuffled


def draw_count(n_rows: int, fraction: float) -> int:
    """Count the rows of a share: at least one, never all."""
    return min(max(round(fraction * n_rows), 1), max(n_rows - 1, 0))


def draw_rows(rows: Rows, fraction: float, shuffle: Shuffle, strata: Classes | None) -> Rows:
    """Draw a share of the rows, ascending: at least one if there are two, and never the last row of a class."""
    shuffled = shuffle.order(rows)
    wanted = draw_count(len(rows), fraction)
    if strata is None:
        return np.sort(shuffled[:wanted])
    labels = strata[shuffled]
    counts = apportion(np.bincount(labels), wanted)
    drawn = [shuffled[labels == label][:count] for label, count in enumerate(counts)]
    return np.sort(np.concatenate(drawn))


def draw_groups(rows: Rows, fraction: float, shuffle: Shuffle, groups: Classes) -> Rows:
    """Draw whole groups in a random order, each that brings the number of rows nearer to the share; ascending.

    One group at least, never all.
    Raises: SplitError for fewer than two groups.
    """
    labels, counts = np.unique(groups[rows], return_counts=True)
    if len(labels) < 2:
        raise SplitError("split.validation.group", f"{len(labels)} group is left; at least 2 are needed")
    wanted = draw_count(len(rows), fraction)
    order = shuffle.order(np.arange(len(labels)))
    drawn: list[int] = []
    for place in order.tolist():
        n_drawn = int(counts[drawn].sum())
        if abs(n_drawn + counts[place] - wanted) < abs(n_drawn - wanted) and len(drawn) < len(labels) - 1:
            drawn.append(place)
    if not drawn:
        drawn = [min(order.tolist(), key=lambda place: int(counts[place]))]
    return rows[np.isin(groups[rows], labels[drawn])]


def deal_rows(rows: Rows, n_folds: int, shuffle: Shuffle, strata: Classes | None) -> list[Rows]:
    """Deal shuffled rows out in turn, class after class: folds differ by one row at most, in all and of each class.

    Raises: SplitError for more folds than rows.
    """
    if n_folds > len(rows):
        raise SplitError("split.validation.folds", f"{n_folds} folds of {len(rows)} rows: at most one a row")
    shuffled = shuffle.order(rows)
    if strata is not None:
        shuffled = shuffled[np.argsort(strata[shuffled], kind="stable")]
    return [np.sort(shuffled[fold::n_folds]) for fold in range(n_folds)]


def deal_groups(rows: Rows, n_folds: int, shuffle: Shuffle, groups: Classes) -> list[Rows]:
    """Deal whole groups, the largest first and equal ones in random order, each to the fold with the fewest rows.

    Source: sklearn.model_selection.GroupKFold.
    Raises: SplitError for more folds than groups.
    """
    labels, places, counts = np.unique(groups[rows], return_inverse=True, return_counts=True)
    if n_folds > len(labels):
        raise SplitError("split.validation.folds", f"{n_folds} folds of {len(labels)} groups: at most one a group")
    sizes, fold_of = np.zeros(n_folds, np.int64), np.zeros(len(labels), np.int64)
    order = shuffle.order(np.arange(len(labels)))
    for place in order[np.argsort(-counts[order], kind="stable")]:
        fold_of[place] = sizes.argmin()
        sizes[fold_of[place]] += counts[place]
    return [rows[fold_of[places] == fold] for fold in range(n_folds)]


def grow_windows(in_time: Rows, n_folds: int) -> list[Fold]:
    """Windows that grow: fold i validates on the i-th of the last stretches and trains on all rows before it.

    Source: sklearn.model_selection.TimeSeriesSplit.
    """
    size = len(in_time) // (n_folds + 1)
    if size == 0:
        message = f"{n_folds} folds of {len(in_time)} rows: {n_folds + 1} stretches of at least one are needed"
        raise SplitError("split.validation.folds", message)
    starts = [len(in_time) - (n_folds - fold) * size for fold in range(n_folds)]
    return [Fold(np.sort(in_time[:start]), np.sort(in_time[start : start + size])) for start in starts]


def apportion(counts: NDArray[np.int64], wanted: int) -> list[int]:
    """Share `wanted` rows among classes by largest remainder; every class keeps a row."""
    room = np.maximum(counts - 1, 0)
    quota = counts * wanted / counts.sum()
    taken = np.minimum(np.floor(quota).astype(np.int64), room)
    for label in np.argsort(taken - quota, kind="stable"):  # those that were rounded down most come first
        taken[label] += min(1, wanted - taken.sum(), room[label] - taken[label])
    for label in np.argsort(-counts, kind="stable"):  # what small classes could not give, large ones do
        taken[label] += min(wanted - taken.sum(), room[label] - taken[label])
    return [int(count) for count in taken]


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
