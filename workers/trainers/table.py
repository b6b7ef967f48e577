"""The trainer `table`: trials look their results up instead of training, to measure searches in seconds.

Not in `TRAINERS` yet: a job names its data by a dataset, and a table of results is none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.lanes import LaneReport, LaneStart, LaneState
from search.space import Space


class TableError(ValueError):
    """Says what is wrong with a table of results."""


class Cell(NamedTuple):
    """What a lane of this trainer is built from: the place of its point in the table."""

    place: int


@dataclass(frozen=True)
class ResultTable:
    """Final results of every point of a finite space. `values` [P] float64, in the order of the points:
    the last parameter varies fastest."""

    space: Space
    values: NDArray[np.float64]

    @classmethod
    def from_files(cls, table: Path, space: Path, column: str = "valid_mse") -> ResultTable:
        """Read `index` [P, D], places in the lists of the space, and results [P, R], the mean of which counts.

        A list is a `choice`; one of numbers that rise or fall is ordered, as everywhere.

        Raises: TableError, OSError.
        """
        try:
            lists = json.loads(space.read_text())
            with np.load(table, allow_pickle=False) as arrays:
                index, results = np.asarray(arrays["index"], np.int64), np.asarray(arrays[column], np.float64)
        except (ValueError, KeyError) as error:
            raise TableError(f"{table} with {space}: {error}") from error
        if not isinstance(lists, dict) or not all(isinstance(values, list) and values for values in lists.values()):
            raise TableError(f"{space} must be an object of lists that are not empty")
        shape = tuple(map(len, lists.values()))
        if index.ndim != 2 or index.shape[1] != len(shape) or len(results) != len(index):
            raise TableError(f"{table}: index {index.shape} and {column} {results.shape} do not fit {len(shape)} lists")
        values = np.full(shape, np.nan)
        if ((index < 0) | (index >= shape)).any():
            raise TableError(f"{table}: index has places outside the lists of {space}")
        values[tuple(index.T)] = results.reshape(len(results), -1).mean(axis=1)
        if not np.isfinite(values).all():
            raise TableError(f"{table}: {np.count_nonzero(~np.isfinite(values))} points of the space have no result")
        return cls(Space.model_validate({n: {"type": "choice", "values": v} for n, v in lists.items()}), values.ravel())

    def build(self, point: Mapping[str, Any]) -> Cell:
        """Turn a point into what a lane is built from."""
        places = [parameter.encode(point[name]) for name, parameter in self.space.parameters.items()]
        shape = [len(list(parameter.lattice() or [])) for parameter in self.space.parameters.values()]
        return Cell(int(np.ravel_multi_index(tuple(map(int, places)), shape)))


class TableFleet:
    """The verbs of `workers.fleet.Fleet` that a ledger uses, for lanes that know their results: nothing is trained.

    A lane reports its final result at every epoch; there are no weights to save.
    """

    def __init__(self, table: ResultTable) -> None:
        self._table = table
        self._lanes: dict[int, tuple[Cell, int, int]] = {}

    def start(self, starts: Sequence[LaneStart]) -> list[LaneReport]:
        """Admit lanes; none can fail."""
        for item in starts:
            cell: Any = item.hyper
            self._lanes[item.lane] = cell, item.sequence, item.state.epoch if item.state else 0
        return []

    def train(self, epochs: Mapping[int, int]) -> list[LaneReport]:
        """Report as many epochs for each lane; ordered by (lane, sequence)."""
        reports = []
        for lane, n_epochs in sorted(epochs.items()):
            cell, sequence, epoch = self._lanes[lane]
            value = float(self._table.values[cell.place])
            reports += [
                LaneReport(lane, sequence + step, epoch + step, value, (value,)) for step in range(1, n_epochs + 1)
            ]
            self._lanes[lane] = cell, sequence + n_epochs, epoch + n_epochs
        return reports

    def save(self, lanes: Iterable[int]) -> dict[int, LaneState]:
        """Answer states that hold an age and no weights."""
        return {lane: LaneState(self._lanes[lane][2], 0, {}) for lane in lanes}

    def drop(self, lanes: Iterable[int]) -> None:
        """Forget lanes."""
        for lane in lanes:
            self._lanes.pop(lane, None)

    def take_lost(self) -> set[int]:
        """No lane is ever lost."""
        return set()

    def take_shortages(self) -> dict[str, str]:
        """There is always room."""
        return {}
