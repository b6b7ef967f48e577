"""Keeps the best networks of a job as models: who is among them, fetching or remaking their weights, packaging."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from models.hyper import Hyperparameters
from models.lanes import Layers
from search.trial import TrialState
from workers.fleet import Fleet
from workers.ledger import Ledger
from workers.lives import Best, TrialLife
from workers.retrain import retrain_layers
from workers.sink import ModelFact, Sink

COMPETING = frozenset({TrialState.COMPLETED, TrialState.STOPPED})

ATTEMPTS = 5

Package = Callable[[TrialLife, Best, Hyperparameters, Layers], ModelFact]


@dataclass
class Winners:
    """The `keep` best trials that have ended. One stored rule: best epoch of the best trial, ties by trial number."""

    ledger: Ledger
    fleet: Fleet
    sink: Sink
    package: Package
    keep: int
    maximize: bool
    stored: set[int] = field(default_factory=set)
    top: list[TrialLife] = field(default_factory=list)

    def rank(self, numbers: Iterable[int]) -> None:
        """Take in trials that have ended."""
        lives = [self.ledger.life(number) for number in numbers]
        competing = [life for life in lives if life.best is not None and life.state in COMPETING]
        self.top = sorted([*self.top, *competing], key=self._rank)[: self.keep]

    def consider(self, numbers: Iterable[int]) -> None:
        """Take in trials that have ended; store the models of those among the best. Call before lanes are dropped."""
        self.rank(numbers)
        fresh = [life for life in self.top if life.number not in self.stored]
        layers = self._fetch(fresh) if fresh else {}
        for life in fresh:
            best = life.best
            if best is not None and life.number in layers:
                hyper = life.segments[best.key.segment].hyper
                self.sink.model(self.package(life, best, hyper, layers[life.number]))
                self.stored.add(life.number)

    def finish(self) -> None:
        """Store what is still missing at the end of the job."""
        for _ in range(ATTEMPTS):
            if self.missing:
                self.consider([])

    @property
    def missing(self) -> bool:
        """A model of the best is not stored yet: its worker was lost on the way."""
        return any(life.number not in self.stored for life in self.top)

    def _fetch(self, lives: list[TrialLife]) -> dict[int, Layers]:
        at_hand = {
            life.number
            for life in lives
            if life.best and life.resident_since is not None and life.best.key.sequence > life.resident_since
        }
        found = {n: layers for n, layers in self.fleet.best_layers(at_hand).items() if layers is not None}
        remade = self._remake([life for life in lives if life.number not in found])
        return {**found, **remade}

    def _remake(self, lives: list[TrialLife]) -> dict[int, Layers]:
        """Train winners again up to their best epoch, where their weights went with a worker or an exploit."""
        recipes = {
            life.number: self.ledger.lives.recipe(life.best.key, retrain_last=True) for life in lives if life.best
        }
        if not recipes:
            return {}
        layers = retrain_layers(self.fleet, recipes)
        for life in lives:
            life.resident_since = None
        self.ledger.let_go(recipes)
        return layers

    def _rank(self, life: TrialLife) -> tuple[float, int]:
        value = life.best.value if life.best else float("inf")
        return (-value if self.maximize else value), life.number
