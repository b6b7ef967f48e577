"""Models that are trained when the search is over: the best trials once more, on other rows or on one lane of many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from models.confidence import Confidence
from workers.fleet import Fleet
from workers.ledger import Ledger
from workers.lives import TrialLife
from workers.retrain import retrain_layers
from workers.sink import ModelFact, Sink
from workers.winners import ATTEMPTS, Contender, rank, select_competing


@dataclass
class Finals:
    """The `keep` best trials, each trained on the rows of `fold` along its segments, to the age of its best epoch.

    The same trials as in `Winners`; no weights are kept meanwhile, and nobody contends. `judge` says how sure the score
    of the first of the trials that have competed is.
    """

    ledger: Ledger
    fleet: Fleet
    sink: Sink
    package: Callable[[Contender, Confidence | None], ModelFact]
    judge: Callable[[Sequence[TrialLife]], Confidence | None]
    keep: int
    maximize: bool
    fold: int
    stored: set[int] = field(default_factory=set)
    competing: list[TrialLife] = field(default_factory=list)

    @property
    def top(self) -> list[TrialLife]:
        """The trials whose models are stored, best first."""
        return self.competing[: self.keep]

    def consider(self, numbers: Iterable[int]) -> None:
        """Take in trials that have ended; nothing is trained before the job's end."""
        ended = select_competing(map(self.ledger.life, numbers))
        self.competing = rank([*self.competing, *ended], self.maximize)

    def complete(self) -> list[Contender]:
        """Train and store the models. A lane that was lost on the way is trained again, one that ended is told of."""
        self.ledger.settle()
        wanted = {life.number: life for life in self.top if life.number not in self.stored}
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
                    confidence = self.judge(self.competing) if life is self.top[0] else None
                    self.sink.model(self.package(Contender(life, life.best, found), confidence))
                    self.stored.add(number)
            lost = self.fleet.take_lost()
            for number in sorted(wanted.keys() - lost):
                self.sink.note("refit", "the network could not be trained once more for its model", number)
                del wanted[number]
            self.fleet.drop(recipes)
        return []
