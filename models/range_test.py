"""The learning rate range test: how the rate goes up, and what the curve of the losses says. No networks, no torch.

Source: Smith 2015 (Cyclical learning rates, 3.3) and 2018; the turn and the tenth of it as in Geron, Hands-On Machine
Learning, chapter 10; the smoothing is that of fastai's Recorder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MEMORY_SHARE = 0.05
"""Share of the steps over which the smoothed loss remembers: 25 of 500, a third of a decade of six."""
LEAST_FALL = 0.05
"""Part of its first level by which the smoothed loss must fall; less is noise."""
CLIMB_SHARE = 0.5
"""Part of its whole fall that the smoothed loss must climb above its least value so far, or else it has not turned."""
BELOW_TURN = 10.0
"""The suggested rate is so much below the turn (Geron)."""
SEARCH_BELOW, SEARCH_UP_TO = 10.0, 0.5
"""The suggested interval: from so much below the suggested rate to this part of the turn. The best rate is about half
the largest one that does not diverge (Geron)."""


@dataclass(frozen=True)
class Sweep:
    """How the learning rate goes up, and the seeds of the networks whose losses are averaged."""

    low: float
    high: float
    steps: int
    seeds: tuple[int, ...]

    def rates(self) -> Floats:
        """List the rate of every step: low (high / low)^(s / (steps - 1)).

        Shapes: [steps].
        """
        return np.geomspace(self.low, self.high, self.steps)


@dataclass(frozen=True)
class Suggestion:
    """What a curve says. Where nothing is suggested, `reason` says why.

    Shapes: smoothed as the losses.
    """

    smoothed: Floats
    turn: float | None = None
    suggested: float | None = None
    interval: tuple[float, float] | None = None
    reason: str | None = None


def suggest(rates: Floats, losses: Floats) -> Suggestion:
    """Find where the loss turns up: where the smoothed loss is least before it first climbs far, or is not finite.

    Suggested are a tenth of that rate, and the interval from a tenth of the suggestion (but no rate below those that
    were tested) to half the turn.
    """
    smoothed, first = smooth(losses), _memory(len(losses)) - 1
    settled = smoothed[first:][np.isfinite(smoothed[first:])]  # before, it averages too few losses to go by
    if not len(settled):
        return Suggestion(smoothed, reason="the loss is not finite from the first rates on: test lower ones")
    least = np.minimum.accumulate(settled)
    fall = float(settled[0] - least[-1])
    if fall <= LEAST_FALL * abs(float(settled[0])):
        return Suggestion(smoothed, reason="the loss does not fall: test other rates, or take more steps")
    climbed = np.flatnonzero(settled - least >= CLIMB_SHARE * fall)
    if not len(climbed) and math.isfinite(smoothed[-1]):
        reason = "the loss does not turn up: test higher rates, or take fewer steps if nothing is left to learn by then"
        return Suggestion(smoothed, reason=reason)
    turn = first + int(np.argmin(settled[: climbed[0]] if len(climbed) else settled))
    return _below(float(rates[turn]), rates, smoothed)


def _below(turn: float, rates: Floats, smoothed: Floats) -> Suggestion:
    suggested, lowest = turn / BELOW_TURN, float(rates[0])
    if suggested < lowest:
        reason = f"the loss turns up at {turn:.3g}, less than {BELOW_TURN:g} times the lowest rate: test lower ones"
        return Suggestion(smoothed, turn, reason=reason)
    return Suggestion(smoothed, turn, suggested, (max(suggested / SEARCH_BELOW, lowest), turn * SEARCH_UP_TO))


def smooth(losses: Floats) -> Floats:
    """Average with weights that decay exponentially into the past, corrected for the missing past of the first steps.

    Shapes: [S] -> [S]. NaN from the first loss on that is not finite.
    """
    keep = 1 - 1 / _memory(len(losses))
    smoothed, average = np.full(len(losses), np.nan), 0.0
    for step, loss in enumerate(losses.tolist()):
        average = keep * average + (1 - keep) * loss
        if not math.isfinite(average):
            break
        smoothed[step] = average / (1 - keep ** (step + 1))
    return smoothed


def _memory(n_steps: int) -> int:
    return max(round(MEMORY_SHARE * n_steps), 1)
