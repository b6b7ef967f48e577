"""A made-up race: learning curves of many trials and an ASHA-like scheduler over them. Pure, seeded, no storage."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Any, Literal

RUNGS = (2, 4, 8, 16)
EPOCHS = 30
Fate = Literal["plain", "diverges", "fails"]


@dataclass
class Runner:
    """One trial on its way."""

    number: int
    parameters: dict[str, Any]
    floor: float
    pace: float
    fate: Fate = "plain"
    epoch: int = 0
    best: float = math.inf
    best_epoch: int = 0
    rung: int | None = None
    jitter: random.Random = field(default_factory=random.Random)

    def advance(self) -> float:
        """Train one epoch; returns its mean squared error."""
        self.epoch += 1
        if self.fate == "diverges" and self.epoch >= 9:
            return math.nan
        growth = 1.3 ** max(self.epoch - 4, 0) if self.fate == "diverges" else 1.0
        value = (self.floor + (5900 - self.floor) * math.exp(-self.pace * self.epoch)) * growth
        value *= 1 + self.jitter.gauss(0, 0.012)
        if value < self.best:
            self.best, self.best_epoch = value, self.epoch
        return value


def draw_runner(number: int, seed: int = 7) -> Runner:
    """Draw trial `number`: a point of the space, and how well such a point learns."""
    draw = random.Random(f"{seed}/{number}")
    rate = 10 ** draw.uniform(-3.5, -1.2)
    layers = draw.randint(0, 3)
    parameters: dict[str, Any] = {
        "learning_rate": rate,
        "hidden_layers": layers,
        "activation": draw.choice(["relu", "tanh", "silu"]),
        "batch_size": draw.choice([16, 32, 64, 128]),
        "weight_decay": 10 ** draw.uniform(-6, -2),
    }
    if layers:
        parameters["units"] = draw.choice([8, 16, 32, 64, 96])
        parameters["dropout"] = round(draw.uniform(0, 0.5), 3)
    misfit = (math.log10(rate) + 2.1) ** 2
    floor = 2780 + 330 * misfit + 90 * abs(layers - 2) + (140 if parameters["activation"] == "tanh" else 0)
    fates: dict[int, Fate] = {9: "diverges", 23: "fails"}
    return Runner(
        number, parameters, floor * draw.uniform(0.98, 1.08), 0.06 + 0.5 * math.exp(-misfit) * draw.uniform(0.5, 1.1),
        fates.get(number, "plain"), jitter=draw,
    )  # fmt: skip


class Rungs:
    """Asynchronous successive halving: at a rung, the better half of those that came there goes on."""

    def __init__(self) -> None:
        self._seen: dict[int, list[float]] = {rung: [] for rung in RUNGS}

    def admits(self, runner: Runner) -> bool:
        """Whether a trial that has just finished an epoch may go on."""
        if runner.epoch not in self._seen or runner.fate != "plain":
            return True
        seen = self._seen[runner.epoch]
        seen.append(runner.best)
        runner.rung = RUNGS.index(runner.epoch) + 1
        return runner.best <= sorted(seen)[math.ceil(len(seen) / 2) - 1]
