"""Which networks to average: greedy selection on validation rows. Numpy only; no networks, no files."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluate import evaluate

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rivals:
    """Predictions of M networks, best first, beside the truth, and how they are scored.

    Where rivals are several networks each, such as one for each fold, rows are those of all of these parts, one part
    behind the other; scores are means over the parts.

    Shapes: predictions [M, N, C]: probabilities, or values in raw units. truth: class indices [N], or values [N, C].
    sizes: rows of each part, N together; without them there is one part.
    """

    predictions: Floats
    truth: NDArray[Any]
    metric: str
    maximize: bool
    sizes: tuple[int, ...] = ()

    @property
    def parts(self) -> list[slice]:
        """The rows of each part."""
        ends = list(itertools.accumulate(self.sizes or (self.predictions.shape[1],)))
        return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    def score(self, predicted: Floats) -> float:
        """Score predictions [N, C]."""
        return sum(evaluate(self.metric, self.truth[part], predicted[part]) for part in self.parts) / len(self.parts)

    def loss(self, predicted: Floats) -> float:
        """Score predictions [N, C]; less is better, and a score that is not finite is the worst."""
        score = self.score(predicted)
        if not math.isfinite(score):
            return math.inf
        return -score if self.maximize else score


@dataclass(frozen=True)
class Greedy:
    """`size` draws with replacement, the first `start` of them the best networks as they stand.

    With more than one of `bags`, each draws from a random half of the networks, and the bags are averaged.
    """

    size: int
    start: int = 1
    bags: int = 1


def choose_members(rivals: Rivals, greedy: Greedy, seed: int) -> Floats:
    """Choose the shares [M] of the average that scores best; they add up to 1, and are 0 for who is not a member.

    Networks are added one after another, always the one that makes the average best; the average of the best length
    on this way is taken. Of equals, the lower number and the shorter way win. With one bag and the first network alone
    at the start, no average scores worse than that network.

    Raises: ValueError if there are no networks.
    Source: Caruana, Niculescu-Mizil, Crew, Ksikes (2004), Ensemble Selection from Libraries of Models.
    """
    n_rivals = len(rivals.predictions)
    if n_rivals == 0:
        raise ValueError("an ensemble needs at least one network to choose from, got none")
    if greedy.bags == 1:
        return _shares(_draw(rivals, range(n_rivals), greedy), n_rivals)
    rng = np.random.default_rng(seed)
    shares = np.zeros(n_rivals)
    for _ in range(greedy.bags):
        half = rng.choice(n_rivals, size=(n_rivals + 1) // 2, replace=False)
        shares += _shares(_draw(rivals, sorted(half.tolist()), greedy), n_rivals)
    return shares / greedy.bags


def mix(predictions: Floats, shares: Floats) -> Floats:
    """Average predictions [M, N, C] by their shares [M], in order: [N, C]."""
    total: Floats = np.zeros_like(predictions[0])
    for place in np.flatnonzero(shares):
        total += shares[place] * predictions[place]
    return total


def _draw(rivals: Rivals, bag: Sequence[int], greedy: Greedy) -> list[int]:
    """Draw networks from a bag, and cut the draw where its average was best."""
    alone = {rival: rivals.loss(rivals.predictions[rival]) for rival in bag}
    first = sorted(bag, key=lambda rival: (alone[rival], rival))[: greedy.start]
    drawn: list[int] = []
    losses: list[float] = []
    total = np.zeros_like(rivals.predictions[0])
    while len(drawn) < greedy.size:
        choices = [first[len(drawn)]] if len(drawn) < len(first) else bag
        tried = [(rivals.loss((total + rivals.predictions[rival]) / (len(drawn) + 1)), rival) for rival in choices]
        loss, best = min(tried)
        drawn.append(best)
        losses.append(loss)
        total += rivals.predictions[best]
    return drawn[: int(np.argmin(losses)) + 1]


def _shares(drawn: Sequence[int], n_rivals: int) -> Floats:
    shares: Floats = np.bincount(drawn, minlength=n_rivals) / len(drawn)
    return shares
