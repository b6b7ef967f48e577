"""Keeps Ray Tune's schedulers from walking through all trials to find a few: a report costs the same in a long job.

Every decision stays Tune's, to the bit: `tests/search/test_shortcuts.py` holds these against Tune's own methods. No ray
here: each plug-in's `build` puts its class together.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np

from search.objective import METRIC

WAITING = frozenset({"PENDING", "PAUSED"})
"""What Tune calls trials that may be started."""

Entry = tuple[float, int, Any]
"""A trial behind what it is ordered by; its place in the race breaks ties."""


class Ranks:
    """Trials by score, lowest first, of equals the earlier one."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._known: dict[Any, Entry] = {}

    def put(self, entry: Entry) -> None:
        """Give a trial its rank, in place of an earlier one."""
        self.remove(entry[2])
        self._known[entry[2]] = entry
        insort(self.entries, entry)

    def remove(self, trial: Any) -> None:
        """Take a trial out, if it is there."""
        if trial in self._known:
            del self.entries[bisect_left(self.entries, self._known.pop(trial))]

    def rank(self, trial: Any) -> int:
        """Count the trials before this one; -1 for one that has no rank."""
        entry = self._known.get(trial)
        return -1 if entry is None else bisect_left(self.entries, entry)


class Stretch(Sequence[Any]):
    """The trials of some ranks, as long as no rank changes: a list of them would be a copy for every report."""

    def __init__(self, ranks: Ranks, span: range) -> None:
        self._ranks, self._span = ranks, span

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> Stretch: ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return Stretch(self._ranks, self._span[index])
        return self._ranks.entries[self._span[index]][2]

    def __len__(self) -> int:
        return len(self._span)

    def __contains__(self, trial: object) -> bool:
        return self._ranks.rank(trial) in self._span


class SortedPopulation:
    """For PopulationBasedTraining, asynchronous: its quantiles, and which waiting trial has trained least."""

    _trial_state: dict[Any, Any]
    _quantile_fraction: float

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._places: dict[Any, int] = {}
        self._ranks = Ranks()
        self._queue: list[Entry] = []  # a heap; holds all that wait, and some that no longer do

    def on_trial_add(self, controller: Any, trial: Any) -> None:
        tune: Any = super()
        tune.on_trial_add(controller, trial)
        self._places.setdefault(trial, len(self._places))
        self._enqueue(trial)

    def on_trial_result(self, controller: Any, trial: Any, result: Mapping[str, Any]) -> Any:
        tune: Any = super()
        decision = tune.on_trial_result(controller, trial, result)
        if decision != "CONTINUE":
            self._enqueue(trial)
        return decision

    def on_trial_complete(self, controller: Any, trial: Any, result: Mapping[str, Any]) -> None:
        self._ranks.remove(trial)

    def on_trial_remove(self, controller: Any, trial: Any) -> None:
        self._ranks.remove(trial)

    def on_trial_error(self, controller: Any, trial: Any) -> None:
        self._ranks.remove(trial)

    def choose_trial_to_run(self, controller: Any) -> Any:
        """Choose the waiting trial that has trained least; idempotent."""
        pausing = []
        chosen = None
        while self._queue and chosen is None:
            time, _, trial = self._queue[0]
            if trial.status in WAITING and time == self._trial_state[trial].last_train_time:
                chosen = trial
            else:
                entry = heapq.heappop(self._queue)
                if trial.is_saving:  # it will wait once it is saved
                    pausing.append(entry)
        for entry in pausing:
            heapq.heappush(self._queue, entry)
        return chosen

    def _enqueue(self, trial: Any) -> None:
        heapq.heappush(self._queue, (self._trial_state[trial].last_train_time, self._places[trial], trial))

    def _save_trial_state(self, state: Any, time: int, result: Mapping[str, Any], trial: Any) -> Any:
        tune: Any = super()
        score = tune._save_trial_state(state, time, result, trial)
        if math.isnan(state.last_score):
            self._ranks.remove(trial)
        else:
            self._ranks.put((state.last_score, self._places[trial], trial))
        return score

    def _quantiles(self) -> tuple[Sequence[Any], Sequence[Any]]:
        n_trials = len(self._ranks.entries)
        if n_trials <= 1:
            return [], []
        size = min(math.ceil(n_trials * self._quantile_fraction), n_trials // 2)
        every = range(n_trials)
        return Stretch(self._ranks, every[:size]), Stretch(self._ranks, every[n_trials - size :])


class SortedMeans:
    """For MedianStoppingRule, where trials report every epoch and none yields to others: running averages are kept
    by age, sorted, instead of made anew from all reports of all trials."""

    _grace_period: float
    _min_samples_required: int
    _mode: str

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._means: dict[int, list[float]] = {}
        self._values: dict[Any, list[float]] = {}
        self._bests: dict[Any, float] = {}
        self._last: dict[Any, tuple[int, float]] = {}

    def on_trial_result(self, controller: Any, trial: Any, result: Mapping[str, Any]) -> str:
        """Stop a trial whose best value is worse than the median of the others' averages up to its age."""
        age, value = result["training_iteration"], result[METRIC]
        lower, higher = sorted((value, self._bests.get(trial, value)))
        best = self._bests[trial] = lower if self._mode == "min" else higher
        if age < self._grace_period:
            return "CONTINUE"
        others = self._means.setdefault(age, [])
        median = _median(others) if len(others) >= self._min_samples_required else best
        self._average(trial, age, value)
        return "STOP" if (median < best if self._mode == "min" else median > best) else "CONTINUE"

    def on_trial_complete(self, controller: Any, trial: Any, result: Mapping[str, Any]) -> None:
        """Its averages stay; what they are made of is of no use any more. Tune takes its last result in once more."""
        if result and METRIC in result and result["training_iteration"] >= self._grace_period:
            self._average(trial, result["training_iteration"], result[METRIC])
        self._values.pop(trial, None)
        self._last.pop(trial, None)

    def _average(self, trial: Any, age: int, value: float) -> None:
        """Take a value into the trial's average up to this age."""
        values, others = self._values.setdefault(trial, []), self._means.setdefault(age, [])
        values.append(value)
        known_age, known = self._last.get(trial, (0, 0.0))
        if known_age == age:
            del others[bisect_left(others, known)]
        self._last[trial] = age, float(np.mean(values))
        insort(others, self._last[trial][1])


def _median(ordered: Sequence[float]) -> float:
    """Give the median of sorted values as `numpy.median` does, to the last bit."""
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


class OpenBands:
    """For HyperBandScheduler: it looks for a trial to start only in bands where one may wait."""

    _hyperbands: list[list[Any]]
    _trial_info: dict[Any, tuple[Any, int]]

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._open: set[int] = set()

    def on_trial_add(self, controller: Any, trial: Any) -> None:
        tune: Any = super()
        tune.on_trial_add(controller, trial)
        self._open.add(self._trial_info[trial][1])

    def _unpause_trial(self, controller: Any, trial: Any) -> None:
        tune: Any = super()
        tune._unpause_trial(controller, trial)
        self._open.add(self._trial_info[trial][1])

    def choose_trial_to_run(self, controller: Any) -> Any:
        """Ask Tune about one open band after the other; idempotent."""
        tune: Any = super()
        bands = self._hyperbands
        try:
            for number in sorted(self._open):
                self._hyperbands = [bands[number]]
                chosen = tune.choose_trial_to_run(controller)
                if chosen is not None:
                    return chosen
                if not _is_any_pausing(bands[number]):
                    self._open.remove(number)
        finally:
            self._hyperbands = bands
        return None


def _is_any_pausing(band: Sequence[Any]) -> bool:
    """Whether a trial of the band is still being saved that may go on once it is paused."""
    return any(trial.is_saving for bracket in band if bracket is not None for trial in bracket.trials_to_unpause)


class Rung(dict[str, float]):
    """The scores at a rung of ASHA by trial id, sorted beside: its cutoff needs no pass over them."""

    def __init__(self) -> None:
        super().__init__()
        self._sorted: list[float] = []

    def __setitem__(self, trial_id: str, score: float) -> None:
        super().__setitem__(trial_id, score)
        insort(self._sorted, score)

    def percentile(self, percent: float) -> float | None:
        """Interpolate as `numpy.nanpercentile` does, to the last bit; None of no score."""
        if not self._sorted:
            return None
        at = (len(self._sorted) - 1) * (percent / 100)
        below = math.floor(at)
        low, high = self._sorted[below], self._sorted[min(below + 1, len(self._sorted) - 1)]
        share = at - below
        return high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share


def sort_rungs(brackets: Sequence[Any]) -> None:
    """Give the brackets of an ASHAScheduler, before its first trial, rungs that are sorted."""
    for bracket in brackets:
        bracket._rungs = [(age, Rung()) for age, _ in bracket._rungs]
        percent = (1 - 1 / bracket.rf) * 100
        bracket.cutoff = lambda rung, percent=percent: rung.percentile(percent)
