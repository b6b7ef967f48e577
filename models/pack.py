"""Pack: many MLPs trained as one on one device. Lanes come, train, are saved, go. No Ray, no trials.

A lane's numbers are a function of (data, settings.seed, its LaneStart, number of epochs), never of its neighbours, its
place, or how calls cut the epochs: one MLP alone is a pack of one. The arithmetic is in `models.group`, `models.cpu`
and `models.population`; `models.engines` chooses among them.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import numpy as np
import torch

from models.bench import Benches, Trained
from models.capacity import bytes_available, bytes_needed, check_capacity
from models.cpu import HAS_COMPILER
from models.engines import Engines
from models.hyper import Hyperparameters, LaneHyperparameters
from models.inherit import inherit
from models.lanes import LaneError, LaneReport, LaneStart, LaneState, Layers, PackData, PackSettings, Task, Views
from models.layout import Layout
from models.live_lane import Lane, fresh_rows, hand_down_best
from models.loss_table import check_fits, gives_probabilities
from models.metrics import METRICS
from models.range_test import Floats, Sweep
from models.scores import needs_probabilities
from models.sweep import sweep_rates


class Pack:
    """The lanes of one job on one device. Without `kernels`, torch trains even what compiled kernels could."""

    def __init__(
        self,
        data: Views,
        settings: PackSettings,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        kernels: bool = HAS_COMPILER,
    ) -> None:
        self.settings, self._device = settings, torch.device(device)
        self._like = torch.empty(0, device=self._device, dtype=dtype)
        self._benches = Benches(data, settings, self._like, self._benches_in_use)
        self._engines = Engines(self._like, kernels)
        self._lanes: dict[int, Lane] = {}
        self._shortage: str | None = None
        self._of_probabilities = [needs_probabilities(name) for name in settings.computed]

    def start(self, starts: Sequence[LaneStart]) -> list[LaneReport]:
        """Admit lanes, or give live ones another state; return a report for each that cannot be built."""
        available, reports = bytes_available(self._device), []
        for start in starts:
            before = self._lanes.get(start.lane)
            if before is not None and before.rows:
                available += self.bytes_needed(before.hyper, before.fold)  # it makes room for itself
            lane, taken = self._build(start, available)
            if isinstance(taken, LaneError):
                reports.append(lane.fail(taken, len(self.settings.computed)))
            else:
                available -= taken
            if before is not None:
                hand_down_best(lane, before)
                before.group = None
            self._lanes[start.lane] = lane
        return sorted(reports, key=_order)

    def _build(self, start: LaneStart, available: int) -> tuple[Lane, int | LaneError]:
        """Return the lane and the bytes that it and new rows take, or an empty one and why it could not be built."""
        layout = Layout(())
        try:
            for_rows = self._benches.bytes_to_add(start.hyper, start.fold)
            check_capacity(for_rows, available, "the table as this lane encodes it")
            bench = self._benches.get(start.hyper, start.fold)
            check_fits(start.hyper, bench.rows.task)
            layout = self._layout(start.hyper, start.fold)
            needed = self.bytes_needed(start.hyper, start.fold)
            check_capacity(needed, available - for_rows, f"a network of widths {layout.widths}")
            lane = self._engines.admit(self._take_over(start, layout), layout)
            lane.bench = bench
            return lane, for_rows + needed
        except Exception as error:  # whatever is wrong with one lane, the others of this call must start
            lane = Lane(start.lane, start.hyper, start.seed, layout, start.sequence, fold=start.fold)
            lane.epoch = start.epoch
            return lane, _lane_error(error)

    def _take_over(self, start: LaneStart, layout: Layout) -> LaneStart:
        """Put what a lane inherits in the place of its ancestor's state."""
        if start.ancestor is None or start.state is None:
            return start
        before = Layout.of_view(start.ancestor, self._benches.shape(start.ancestor, start.fold))
        same_inputs = start.ancestor.encoding == start.hyper.encoding
        state = inherit(start.state, before, layout, fresh_rows(layout, start), same_inputs)
        return replace(start, state=state, ancestor=None)

    def train(
        self, epochs: Mapping[int, int], turn: Callable[[], AbstractContextManager[None]] | None = None
    ) -> list[LaneReport]:
        """Train each lane for its number of epochs; one that ends by itself stops there.

        `turn` is entered around every slice of work; what it raises ends the call, with all lanes as after that slice.
        Raises: KeyError for a lane that is not in the pack.
        """
        left = {self._lane(number): n for number, n in epochs.items()}
        reports: list[LaneReport] = []
        while left := {lane: n for lane, n in left.items() if n > 0 and lane.outcome is None}:
            for lanes in self._engines.line_up(left):
                with turn() if turn else nullcontext():
                    reports += self._train_epoch(lanes)
            left = {lane: n - 1 for lane, n in left.items()}
        return sorted(reports, key=_order)

    def sweep(
        self, hyper: Hyperparameters, sweep: Sweep, turn: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> Floats:
        """Run the steps of a range test on networks of its own; see models.sweep.

        Raises: OutOfDeviceMemory, and what an op or `turn` raises.
        """
        needed = len(sweep.seeds) * self.bytes_needed(hyper)
        check_capacity(needed, bytes_available(self._device), "a range test")
        return sweep_rates(self._benches.get(hyper, 0), self._layout(hyper, 0), hyper, sweep, turn)

    def save(self, lanes: Iterable[int]) -> dict[int, LaneState]:
        """Copy the states of lanes, ready for a LaneStart here or elsewhere."""
        with torch.no_grad():
            return {number: self._lane(number).save() for number in lanes}

    def keep_best(self, lanes: Iterable[int]) -> None:
        """Let the present epoch of lanes be their best; one that has diverged or failed has none then."""
        with torch.no_grad():
            for number in lanes:
                self._lane(number).keep_best()

    def best_layers(self, lane: int) -> Layers | None:
        """Return the weights of the lane's best epoch since it was admitted, or None before it had one."""
        return self._lane(lane).best_layers()

    def leave(self, lanes: Iterable[int]) -> list[LaneStart]:
        """Let lanes go that go on in another pack: started there, they do not notice. Those that have ended stay."""
        with torch.no_grad():
            starts = [self._lane(number).leave() for number in lanes if self._lane(number).outcome is None]
        self.drop(start.lane for start in starts)
        return starts

    def drop(self, lanes: Iterable[int]) -> None:
        """Forget lanes; the rest do not notice."""
        for number in lanes:
            self._lane(number).group = None
            del self._lanes[number]

    def take_shortage(self) -> str | None:
        """Say once why lanes that should have trained as one did not fit, and went on by halves."""
        shortage, self._shortage = self._shortage, None
        return shortage

    def bytes_needed(self, hyper: LaneHyperparameters, fold: int = 0) -> int:
        """Estimate the bytes on the device that a lane takes while it trains, from above.

        Raises: ValueError where the rows cannot be encoded as the hyperparameters ask.
        """
        rows = self._benches.get(hyper, fold).rows
        sizes = rows.n_train, rows.n_valid
        return bytes_needed(hyper, self._layout(hyper, fold), sizes, self._like.element_size())

    def _layout(self, hyper: LaneHyperparameters, fold: int) -> Layout:
        rows = self._benches.get(hyper, fold).rows
        return Layout.of(hyper, rows.n_inputs, rows.n_outputs, rows.embedding)

    def _benches_in_use(self) -> set[int]:
        return {lane.bench.number for lane in self._lanes.values() if lane.bench}

    def _lane(self, number: int) -> Lane:
        if number not in self._lanes:
            raise KeyError(f"lane {number} is not in this pack; it has {sorted(self._lanes)}")
        return self._lanes[number]

    def _train_epoch(self, lanes: list[Lane]) -> list[LaneReport]:
        """Train lanes as one; after an exception, put their numbers back and go on by halves."""
        try:
            with torch.no_grad():
                group = self._gather(lanes)
                losses, scores = group.run_epoch()
        except Exception as error:  # an op may raise anything, and only its own lane may pay for it
            known = _lane_error(error)
            if len(lanes) == 1:
                return [lanes[0].fail(known, len(self.settings.computed))]
            if known.out_of_memory:
                self._shortage = known.message
        else:
            return self._report(group, losses.tolist(), scores.tolist())
        middle, reports = len(lanes) // 2, []
        for half in (lanes[:middle], lanes[middle:]):
            reports += self._train_epoch(half)
            _dissolve(half)  # memory may be what was missing
        return reports

    def _gather(self, lanes: list[Lane]) -> Trained:
        """Return the group of exactly these lanes: the one they are in, or a new one.

        Raises: OutOfDeviceMemory.
        """
        group = lanes[0].group
        if group is not None and group.lanes == lanes:
            return group
        _dissolve(lanes)
        needed = sum(self.bytes_needed(lane.hyper, lane.fold) for lane in lanes)
        check_capacity(needed, bytes_available(self._device), f"training {len(lanes)} lanes as one")
        return self._engines.gather(lanes, lanes[0].seen)

    def _report(self, group: Trained, losses: list[float], scores: list[list[float]]) -> list[LaneReport]:
        n_steps = -(-group.lanes[0].seen.rows.n_train // group.batch_size)
        reports, improved = [], []
        for lane, loss, values in zip(group.lanes, losses, map(self._tell, group.lanes, scores), strict=True):
            lane.epoch, lane.n_steps, lane.sequence = lane.epoch + 1, lane.n_steps + n_steps, lane.sequence + 1
            if not (math.isfinite(loss) and math.isfinite(values[0])):
                lane.outcome = "diverged"
            elif self.settings.decides_best and lane.note(values, self.settings.watched):
                improved.append(lane)
            elif lane.is_out_of(self.settings.patience):
                lane.outcome = "patience"
            reports.append(LaneReport(lane.number, lane.sequence, lane.epoch, loss, tuple(values), lane.outcome))
        if improved:
            group.keep_best(improved)
        return reports

    def _tell(self, lane: Lane, scores: list[float]) -> list[float]:
        """Add the facts of a lane's network; leave open what asks for probabilities of a lane that has none."""
        if self.settings.facts:
            exported, n = lane.layout.exported(), len(self.settings.metrics)
            scores = [*scores[:n], *(exported[name] for name in self.settings.facts), *scores[n:]]
        if gives_probabilities(lane.hyper.loss):
            return scores
        return [math.nan if asks else value for value, asks in zip(scores, self._of_probabilities, strict=True)]


def warm_up(device: str = "cpu") -> None:
    """Compile or load all kernels, so that no job waits for it. Raises what the compiler raises."""
    rng = np.random.default_rng(0)
    tasks: tuple[tuple[Task, int], ...] = ("regression", 1), ("binary", 1), ("multiclass", 2)
    for task, n_outputs in tasks:
        y = rng.integers(2, size=32) if task != "regression" else rng.normal(size=(32, 1)).astype(np.float32)
        x = rng.normal(size=(32, 2)).astype(np.float32)
        metrics = tuple(name for name, metric in METRICS.items() if task in metric.tasks)
        pack = Pack(PackData(task, n_outputs, x, y, x, y), PackSettings(0, metrics, False), device)
        pack.start([LaneStart(0, Hyperparameters(dropout=0.5), 0)])
        error = pack.train({0: 1})[0].error
        if error is not None:
            raise RuntimeError(f"kernels do not work on {device}:\n{error.traceback}")


def _dissolve(lanes: Iterable[Lane]) -> None:
    for lane in lanes:
        if lane.group is not None:
            lane.group.dissolve()


def _lane_error(error: Exception) -> LaneError:
    out_of_memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
    text = "".join(traceback.format_exception(error))
    return LaneError(type(error).__name__, str(error), text, out_of_memory)


def _order(report: LaneReport) -> tuple[int, int]:
    return report.lane, report.sequence
