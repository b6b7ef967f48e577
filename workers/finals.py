"""Models that are trained when the search is over: the best trials once more, on other rows or on one lane of many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from workers.retrain import retrain_layers
from workers.winners import ATTEMPTS, Winners


@dataclass
class Finals(Winners):
    """The `keep` best trials, each trained on the rows of `fold` along its segments, to the age of its best epoch."""

    fold: int = 0

    def consider(self, numbers: Iterable[int]) -> None:
        """Take in trials that have ended; nothing is trained before the job's end."""
        self.rank(numbers)

    def finish(self) -> None:
        """Train and store the models. A lane that was lost on the way is trained again, one that ended is told of."""
        self.ledger.settle()
        wanted = {life.number: life for life in self.top if life.best is not None and life.number not in self.stored}
        for _ in range(ATTEMPTS):
            recipes = {
                number: self.ledger.lives.recipe(life.best.key, from_scratch=True)
                for number, life in wanted.items()
                if life.best is not None
            }
            layers = retrain_layers(self.fleet, recipes, self.fold) if recipes else {}
            for number, found in sorted(layers.items()):
                life = wanted.pop(number)
                if life.best is not None:
                    hyper = life.segments[life.best.key.segment].hyper
                    self.sink.model(self.package(life, life.best, hyper, found))
                    self.stored.add(number)
            lost = self.fleet.take_lost()
            for number in sorted(wanted.keys() - lost):
                self.sink.note("refit", "the network could not be trained once more for its model", number)
                del wanted[number]
            self.fleet.drop(recipes)
