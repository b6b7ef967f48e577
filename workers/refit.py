"""Models of networks that are trained once more when the search is over, on all rows but the test rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from workers.errors import WorkersLost
from workers.fleet import MAX_REPEATS, Fleet
from workers.ledger import Ledger
from workers.lives import TrialLife
from workers.retrain import retrain_layers
from workers.sink import Sink
from workers.winners import Contender


@dataclass(frozen=True)
class Refit:
    """Trains trials from their seeds along their segments, to the age of their best epoch, on the rows of `fold`."""

    ledger: Ledger
    fleet: Fleet
    sink: Sink
    fold: int

    def train(self, lives: Iterable[TrialLife]) -> dict[int, Contender]:
        """Train these trials side by side; answer them by number.

        A lane that was lost on the way is trained again, one that ended is told of and missing.

        Raises: WorkersLost.
        """
        self.ledger.settle()
        wanted = {life.number: life for life in lives}
        trained: dict[int, Contender] = {}
        for _ in range(MAX_REPEATS):
            recipes = {
                number: self.ledger.lives.recipe(life.best.key, from_scratch=True)
                for number, life in wanted.items()
                if life.best is not None
            }
            if not recipes:
                break
            for number, layers in retrain_layers(self.fleet, recipes, self.fold).items():
                life = wanted.pop(number)
                if life.best is not None:
                    trained[number] = Contender(life, life.best, layers)
            lost = self.fleet.take_lost()
            for number in sorted(wanted.keys() - lost):
                self.sink.note("refit", "the network could not be trained once more for its model", number)
                del wanted[number]
            self.fleet.drop(recipes)
        else:
            raise WorkersLost(f"models trained once more lost workers {MAX_REPEATS} times in a row")
        return trained
