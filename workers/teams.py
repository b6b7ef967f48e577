"""The lanes of a trial behind one number: a lane for every fold and every repeat, trained side by side.

Whoever keeps account of trials sees one lane each, whose values are means over its parts; see
docs/decisions/0009-lanes-of-a-trial.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from models.lanes import LaneReport, LaneStart, LaneState, Layers, Outcome, PackSettings
from workers.fleet import Fleet
from workers.lanes import JobContext

N_STEPS = "n_steps"
T = TypeVar("T")


def part_seed(seed: int, repeat: int) -> int:
    """Derive the seed of a trial's lanes in one repeat; the first one has the trial's own. Folds share it."""
    return seed if repeat == 0 else int(np.random.SeedSequence([seed, repeat]).generate_state(1, np.uint32)[0])


@dataclass
class _Team:
    """What is known of a trial whose lanes are in the fleet."""

    sequence: int
    best_value: float | None
    n_since_best: int
    patient: bool
    outcome: Outcome | None = None


class Teams:
    """A fleet in which every lane is the lanes of one trial; part `p` of trial `t` is lane `t * n_parts + p` below.

    Parts run repeat by repeat, fold by fold. A trial has diverged or failed when any of its parts has; its patience
    and its best epoch are decided here, by the means. It is lost when any of its parts is.
    """

    def __init__(self, fleet: Fleet, n_folds: int, n_repeats: int) -> None:
        self._fleet, self._n_folds, self.n_parts = fleet, n_folds, n_folds * n_repeats
        self._teams: dict[int, _Team] = {}
        self._lost: set[int] = set()
        self._settings: PackSettings | None = None

    def open(self, context: JobContext) -> dict[str, str]:
        """See Fleet.open. No lane ends by its own patience, or keeps an epoch that is the best of its own."""
        self._settings = context.settings
        settings = replace(context.settings, patience=None, decides_best=False)
        return self._fleet.open(replace(context, settings=settings))

    def start(self, starts: Sequence[LaneStart]) -> list[LaneReport]:
        """See Fleet.start; a trial of which a part cannot be built answers with one `failed` report."""
        for start in starts:
            memory = start.sequence, start.best_value, start.n_since_best
            self._teams[start.lane] = _Team(*memory, start.patient)
        self._lost -= {start.lane for start in starts}
        failed: dict[int, LaneReport] = {}
        for report in self._fleet.start([part for start in starts for part in self._parts_of(start)]):
            trial = report.lane // self.n_parts
            failed.setdefault(trial, replace(report, lane=trial))
        for trial, report in failed.items():
            self._teams[trial].outcome, self._teams[trial].sequence = report.outcome, report.sequence
        return list(failed.values())

    def train(self, epochs: Mapping[int, int]) -> list[LaneReport]:
        """See Fleet.train: one report for each trial and epoch, up to the one with which the trial ends.

        Epoch by epoch, since the means of one decide who goes on, and whose weights are the best so far.
        """
        left = {trial: n for trial, n in epochs.items() if n > 0 and (trial not in self._teams or self._stands(trial))}
        self._fleet.even_out({lane: n for trial, n in left.items() for lane in self._lanes(trial)})
        told: dict[int, list[LaneReport]] = {trial: [] for trial in sorted(left)}
        while left:
            reports = {one.lane: one for one in self._fleet.train(dict.fromkeys(self._lanes_of(left), 1))}
            self._note_lost()
            for trial in left.keys() - self._lost:
                told[trial].append(_average(trial, [reports[lane] for lane in self._lanes(trial)]))
            improved = [trial for trial in left.keys() - self._lost if self._hear(told[trial])]
            self.keep_best(improved)
            self._note_lost()
            left = {t: n - 1 for t, n in left.items() if n > 1 and t not in self._lost and self._stands(t)}
        return [report for trial, reports in told.items() if trial not in self._lost for report in reports]

    def save(self, lanes: Iterable[int]) -> dict[int, LaneState]:
        """See Fleet.save."""
        return {trial: join_states(states) for trial, states in self._gather(lanes, self._fleet.save).items()}

    def keep_best(self, lanes: Iterable[int]) -> None:
        """See Fleet.keep_best."""
        self._fleet.keep_best(self._lanes_of(lanes))

    def best_layers(self, lanes: Iterable[int]) -> dict[int, list[Layers]]:
        """See Fleet.best_layers: the weights of every part."""
        found = self._gather(lanes, self._fleet.best_layers)
        return {trial: [layers for (layers,) in parts] for trial, parts in found.items()}

    def drop(self, lanes: Iterable[int]) -> None:
        """See Fleet.drop."""
        trials = list(lanes)
        self._fleet.drop(self._lanes_of(trials))
        for trial in trials:
            self._teams.pop(trial, None)

    def take_lost(self) -> set[int]:
        """See Fleet.take_lost."""
        self._note_lost()
        lost, self._lost = self._lost, set()
        return lost

    def take_shortages(self) -> dict[str, str]:
        """See Fleet.take_shortages."""
        return self._fleet.take_shortages()

    def close(self) -> None:
        """See Fleet.close."""
        self._teams.clear()
        self._fleet.close()

    def _lanes(self, trial: int) -> range:
        return range(trial * self.n_parts, (trial + 1) * self.n_parts)

    def _lanes_of(self, trials: Iterable[int]) -> list[int]:
        return [lane for trial in trials for lane in self._lanes(trial)]

    def _gather(self, trials: Iterable[int], ask: Callable[[list[int]], dict[int, T]]) -> dict[int, list[T]]:
        """Ask for something of every part; missing are trials of which a part has none."""
        wanted = list(trials)
        found = ask(self._lanes_of(wanted))
        return {t: [found[lane] for lane in self._lanes(t)] for t in wanted if found.keys() >= set(self._lanes(t))}

    def _parts_of(self, start: LaneStart) -> Iterator[LaneStart]:
        states = [None] * self.n_parts if start.state is None else divide_state(start.state)
        for part, (lane, state) in enumerate(zip(self._lanes(start.lane), states, strict=True)):
            repeat, fold = divmod(part, self._n_folds)
            seed = part_seed(start.seed, repeat)
            own = replace(start, lane=lane, seed=seed, state=state, fold=fold, patient=True)
            yield replace(own, best_value=None, n_since_best=0)

    def _stands(self, trial: int) -> bool:
        return self._teams[trial].outcome is None

    def _note_lost(self) -> None:
        self._lost |= {lane // self.n_parts for lane in self._fleet.take_lost()}

    def _hear(self, told: list[LaneReport]) -> bool:
        """Decide by the means of the last report how the trial goes on, as a pack does for a lane, and note it there.

        Say whether the epoch is the best so far.
        """
        if self._settings is None:
            raise RuntimeError("the fleet is not open: call open() first")
        watch, patience = self._settings.watched, self._settings.patience
        report = told[-1]
        team, outcome, improves = self._teams[report.lane], report.outcome, False
        if outcome is None and not (math.isfinite(report.train_loss) and math.isfinite(report.values[0])):
            outcome = "diverged"
        if outcome is None:
            improves = watch.improves(report.values, team.best_value)
            team.n_since_best = 0 if improves else team.n_since_best + 1
            if improves:
                team.best_value = report.values[watch.place]
            elif patience is not None and team.n_since_best >= patience and not team.patient:
                outcome = "patience"
        team.sequence, team.outcome = report.sequence, outcome
        told[-1] = replace(report, outcome=outcome)
        return improves


def _average(trial: int, parts: Sequence[LaneReport]) -> LaneReport:
    """Average one epoch over the parts of a trial; of parts that have ended, the first one says how."""
    first, n = parts[0], len(parts)
    ended = next((part for part in parts if part.outcome is not None), first)
    return LaneReport(
        lane=trial,
        sequence=first.sequence,
        epoch=first.epoch,
        train_loss=sum(part.train_loss for part in parts) / n,
        values=tuple(sum(column) / n for column in zip(*(part.values for part in parts), strict=True)),
        outcome=ended.outcome,
        error=ended.error,
        parts=tuple(part.values for part in parts),
    )


def join_states(parts: Sequence[LaneState]) -> LaneState:
    """Make one state of those of all parts; arrays are named by part. Parts differ in steps, since folds do in rows."""
    arrays: dict[str, Any] = {
        f"{n}.{name}": array for n, part in enumerate(parts) for name, array in part.arrays.items()
    }
    arrays[N_STEPS] = np.array([part.n_steps for part in parts], np.int64)
    return LaneState(parts[0].epoch, parts[0].n_steps, arrays)


def divide_state(state: LaneState) -> list[LaneState]:
    """Undo `join_states`."""
    parts: list[LaneState] = []
    for number, n_steps in enumerate(state.arrays[N_STEPS].tolist()):
        prefix = f"{number}."
        arrays = {name.removeprefix(prefix): a for name, a in state.arrays.items() if name.startswith(prefix)}
        parts.append(LaneState(state.epoch, int(n_steps), arrays))
    return parts
