"""Which engine trains which lanes, and which of them at once: compiled kernels, stacked torch, populations. No life."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from torch import Tensor

from models.bench import Bench, Trained
from models.cpu import HAS_COMPILER
from models.cpu.served import serves
from models.group import Group
from models.hyper import Hyperparameters
from models.hyper_evolution import NeuroevolutionHyperparameters
from models.lanes import LaneStart
from models.layout import Layout
from models.lineup import sort_key
from models.live_lane import GradientLane, Lane, admit
from models.population import Generation, Population, admit_population

if HAS_COMPILER:
    from models.cpu.engine import LANES_AT_ONCE, LaneByLane, Room

GroupKey = tuple[int, int, int, tuple[int, ...]]


class Engines:
    """Those of one pack. `like` is an empty tensor of its device and type; kernels serve the CPU only."""

    def __init__(self, like: Tensor, kernels: bool) -> None:
        self._like = like
        self._room = Room(like.numpy().dtype) if kernels and like.device.type == "cpu" else None

    def admit(self, start: LaneStart, layout: Layout) -> Lane:
        """Build a lane with fresh weights or with those of a state.

        Raises: ValueError if the state does not fit the hyperparameters.
        """
        if isinstance(start.hyper, Hyperparameters):
            return admit(start, start.hyper, layout, self._like)
        if isinstance(start.hyper, NeuroevolutionHyperparameters):
            return admit_population(start, start.hyper, layout, self._like)
        raise TypeError(f"no lane is trained by {type(start.hyper).__name__}")

    def line_up(self, lanes: Collection[Lane]) -> list[list[Lane]]:
        """Sort lanes into groups that are trained at once; neighbours in the list share their gathered batches."""
        groups: list[list[Lane]] = [[lane] for lane in lanes if isinstance(lane, Population)]
        found: dict[GroupKey, list[Lane]] = {}
        by_gradients = [lane for lane in lanes if isinstance(lane, GradientLane)]
        for lane in sorted(by_gradients, key=lambda lane: sort_key(lane, lane.seen.rows.task)):
            found.setdefault(self._key(lane), []).append(lane)
        for key in sorted(found):
            alike = found[key]
            size = len(alike) if key[-1] else LANES_AT_ONCE
            groups += [alike[first : first + size] for first in range(0, len(alike), size)]
        return groups

    def gather(self, lanes: Sequence[Lane], bench: Bench) -> Trained:
        """Put lanes of one of these groups together, or some of them."""
        if isinstance(lanes[0], Population):
            return Generation(lanes[0], bench)
        by_gradients = [lane for lane in lanes if isinstance(lane, GradientLane)]
        if self._room is not None and self._is_solo(by_gradients[0]):
            return LaneByLane(by_gradients, bench, self._room)
        return Group(by_gradients, bench)

    def _key(self, lane: GradientLane) -> GroupKey:
        """Lanes with the same key may be trained at once; one after another, they need not have the same widths."""
        shape = () if self._is_solo(lane) else lane.layout.pack_key
        return lane.seen.number, lane.seen.batch_size(lane), lane.epoch, shape

    def _is_solo(self, lane: GradientLane) -> bool:
        return self._room is not None and serves(lane.hyper, lane.layout)
