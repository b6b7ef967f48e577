"""The range test of a job: what is tested, what came of it, and the bounds that a job may adopt. No ray, no torch.

It is run once, before the search; its outcome is a fact of the journal, from which a replay takes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.hyper import Hyperparameters
from models.range_test import Floats, Sweep, suggest
from search.parameters import FloatParameter
from search.problems import FieldProblem
from search.space import Space
from workers.body_parts import RangeTest
from workers.lives import lane_seed
from workers.resolved import ResolvedJob
from workers.trainers import TRAINERS
from workers.trainers.base import Trainer

KIND = "range_test"
RATE = "learning_rate"


def range_problems(wanted: RangeTest, space: Space, trainer: Trainer) -> list[FieldProblem]:
    """Refuse rates that do not rise, bounds that the space cannot adopt, and trainers without a learning rate."""
    if RATE not in trainer.names:
        return [FieldProblem("range_test", f"{trainer.kind} has no {RATE} to test; allowed: null")]
    found = []
    if wanted.low >= wanted.high:
        message = f"low is {wanted.low:g} and high is {wanted.high:g}: low must be below high"
        found.append(FieldProblem("range_test.low", message))
    if wanted.adopt and (reason := _why_not_adopt(space)):
        found.append(FieldProblem("range_test.adopt", f"{reason}; allowed: false"))
    return found


def _why_not_adopt(space: Space) -> str | None:
    parameter = space.parameters.get(RATE)
    if not isinstance(parameter, FloatParameter):
        return f"{RATE} is no float parameter of the space, so it has no bounds to adopt"
    if parameter.step is not None:
        return f"{RATE} has a step, and other bounds would move its values"
    if parameter.sigma is not None:
        return f"{RATE} has a normal law, which other bounds could leave nothing of"
    if space.region and any(RATE in constraint.names for constraint in space.region.constraints):
        return f"constraints speak of {RATE}, and other bounds could make them impossible"
    if deciding := [name for name in space.parameters if RATE in space.depends_on(name)]:
        return f"conditions of {', '.join(deciding)} speak of {RATE}, and other bounds could make them impossible"
    return None


def plan_sweep(job: ResolvedJob, wanted: RangeTest) -> tuple[Hyperparameters, Sweep]:
    """Give what is tested: the job's default point, on the seeds of its first trials."""
    hyper = TRAINERS[job.trainer].build(job.feasible_space.default_point(), job.fixed)
    seeds = tuple(lane_seed(job.seed, number) for number in range(wanted.lanes))
    return hyper, Sweep(wanted.low, wanted.high, wanted.steps, seeds)


def describe_outcome(wanted: RangeTest, rates: Floats, losses: Floats, error: str | None) -> dict[str, Any]:
    """Say in JSON what came of a test, for the journal. What is not finite is null; without losses `reason` says why.

    Shapes: rates and losses [steps]; no losses where there was an error.
    """
    found = suggest(rates, losses)
    return {
        "rates": rates.tolist(),
        "losses": _finite(losses),
        "smoothed": _finite(found.smoothed),
        "turn": found.turn,
        "suggested": found.suggested,
        "interval": None if found.interval is None else list(found.interval),
        "reason": found.reason if error is None else f"the test failed: {error}",
        "adopted": wanted.adopt and found.interval is not None,
    }


def tell_outcome(outcome: Mapping[str, Any], adopts: bool) -> str:
    """Say it in a sentence."""
    if outcome["interval"] is None:
        kept = f"; {RATE} keeps its bounds" if adopts else ""
        return f"the range test suggests no learning rate: {outcome['reason']}{kept}"
    low, high = outcome["interval"]
    use = "is searched" if adopts else "may be searched"
    return (
        f"the loss turns up at a learning rate of {outcome['turn']:.3g}; suggested is "
        f"{outcome['suggested']:.3g}, and {RATE} {use} from {low:.3g} to {high:.3g}"
    )


def adopt_bounds(job: ResolvedJob, outcome: Mapping[str, Any]) -> ResolvedJob:
    """Give the job with the suggested interval as bounds of its learning rate, if it adopts them and there are any."""
    if not outcome["adopted"]:
        return job
    low, high = outcome["interval"]
    parameter = job.space.parameters[RATE]
    default = min(max(parameter.fallback, low), high)
    narrowed = parameter.model_copy(update={"low": low, "high": high, "default": default})
    return job.model_copy(update={"space": Space({**job.space.parameters, RATE: narrowed})})


def _finite(values: Floats) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values.tolist()]
