"""Training again what a trial has trained before: by recipes, side by side, on whatever lanes are free. No trials."""

from __future__ import annotations

from collections.abc import Mapping

from models.lanes import LaneStart, LaneState, Layers
from workers.lanes import Lanes
from workers.lives import Recipe, Stretch


def retrain(fleet: Lanes, recipes: Mapping[int, Recipe], fold: int = 0) -> dict[int, LaneState | None]:
    """Make states by their recipes on the lanes of the same numbers; None is fresh weights.

    Missing are lanes that were lost, and those that could not be built.
    """
    states = {number: recipe.state for number, recipe in recipes.items()}
    for stage in range(max((len(recipe.stretches) for recipe in recipes.values()), default=0)):
        at_work = {n: r.stretches[stage] for n, r in recipes.items() if stage < len(r.stretches) and n in states}
        refused = fleet.start([_repeat(n, stretch, states[n], fold) for n, stretch in at_work.items()])
        standing = at_work.keys() - {report.lane for report in refused}
        fleet.train({number: at_work[number].n_epochs for number in standing})
        made = fleet.save(standing)
        states = {
            n: made.get(n) if n in at_work else state for n, state in states.items() if n not in at_work or n in made
        }
    return states


def retrain_layers(fleet: Lanes, recipes: Mapping[int, Recipe], fold: int = 0) -> dict[int, list[Layers]]:
    """Give the weights after the last epoch of each recipe; those of lanes that were lost or diverged are missing."""
    made = retrain(fleet, recipes, fold)
    fleet.keep_best(made)
    return fleet.best_layers(made)


def _repeat(number: int, stretch: Stretch, state: LaneState | None, fold: int) -> LaneStart:
    ancestor = stretch.ancestor
    return LaneStart(number, stretch.hyper, stretch.seed, state, fold=fold, patient=True, ancestor=ancestor)
