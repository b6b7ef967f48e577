"""The best trials of a job: who is among them, fetching or remaking their weights, storing the models of the best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
MOST_BYTES = 512 * 1024**2
"""Weights that contenders may take in the driver's memory; the worst of them leave first."""
ATTEMPTS = 5
"""So often weights that workers have lost on the way are made again when the job ends."""


@dataclass(frozen=True)
class Contender:
    """A trial that has ended, with the weights of its best epoch."""

    life: TrialLife
    best: Best
    layers: Layers

    @property
    def hyper(self) -> Hyperparameters:
        """What its best epoch was trained with."""
        return self.life.segments[self.best.key.segment].hyper


def select_competing(lives: Iterable[TrialLife]) -> list[TrialLife]:
    """Pick the trials that may win: those that have ended well."""
    return [life for life in lives if life.best is not None and life.state in COMPETING]


def rank(lives: Iterable[TrialLife], maximize: bool) -> list[TrialLife]:
    """Sort trials by their best epochs, the best first, ties by number."""

    def place(life: TrialLife) -> tuple[float, int]:
        value = life.best.value if life.best else float("inf")
        return (-value if maximize else value), life.number

    return sorted(lives, key=place)


@dataclass
class Winners:
    """The best trials that have ended. One stored rule: best epoch of the best trial, ties by trial number.

    Models of the `keep` best are stored as trials end. Contenders keep their weights here until the job ends. Who is
    one is a function of the trials alone, never of what was at hand: weights that a crash has taken are made again,
    once, when the job ends. `weigh` says how many bytes a network takes.
    """

    ledger: Ledger
    fleet: Fleet
    sink: Sink
    package: Callable[[Contender], ModelFact]
    weigh: Callable[[Hyperparameters], int]
    keep: int
    n_contenders: int
    maximize: bool
    stored: set[int] = field(default_factory=set)
    top: list[TrialLife] = field(default_factory=list)
    contenders: list[TrialLife] = field(default_factory=list)
    layers: dict[int, Layers] = field(default_factory=dict)

    def consider(self, numbers: Iterable[int]) -> None:
        """Take in trials that have ended; store the models of those among the best. Call before lanes are dropped."""
        competing = select_competing(map(self.ledger.life, numbers))
        known = {life.number: life for life in [*self.top, *self.contenders, *competing]}
        ranked = rank(known.values(), self.maximize)
        self.top, self.contenders = ranked[: self.keep], self._choose(ranked)
        self._gather(self._missing([*self._unstored(), *self.contenders]))
        self._remake(self._missing(self._unstored()))
        self._store()
        self.layers = {life.number: self.layers[life.number] for life in self.contenders if life.number in self.layers}

    def complete(self) -> list[Contender]:
        """Make again what went with lost workers or a lost driver; answer the contenders, the winner first.

        Nobody is answered where the winner's weights cannot be had.
        """
        for _ in range(ATTEMPTS):
            self._remake(self._missing([*self._unstored(), *self.contenders]))
        self._store()
        found = [
            Contender(life, life.best, self.layers[life.number])
            for life in self.contenders
            if life.best and life.number in self.layers
        ]
        return found if found and found[0].life is self.contenders[0] else []

    def _choose(self, ranked: Sequence[TrialLife]) -> list[TrialLife]:
        """Name the contenders: the winner, and the next best as long as there is room for their weights.

        A trial other than the winner is none if its best epoch lies before its last exploit: its weights are
        overwritten, and to train it again would make every PBT job longer.
        """
        n_bytes, chosen = 0, list(ranked[:1])
        for life in ranked[1:]:
            if life.best is None or life.best.key.segment != life.key.segment:
                continue
            n_bytes += self.weigh(life.hyper)
            if len(chosen) == self.n_contenders or n_bytes > MOST_BYTES:
                break
            chosen.append(life)
        return chosen

    def _unstored(self) -> list[TrialLife]:
        return [life for life in self.top if life.number not in self.stored]

    def _missing(self, lives: Iterable[TrialLife]) -> list[TrialLife]:
        return [life for life in lives if life.number not in self.layers]

    def _store(self) -> None:
        for life in self._unstored():
            if life.best is not None and life.number in self.layers:
                self.sink.model(self.package(Contender(life, life.best, self.layers[life.number])))
                self.stored.add(life.number)

    def _gather(self, lives: Sequence[TrialLife]) -> None:
        """Fetch the weights of lanes that still stand, all in one call."""
        at_hand = {
            life.number
            for life in lives
            if life.best and life.resident_since is not None and life.best.key.sequence > life.resident_since
        }
        found = self.fleet.best_layers(at_hand)
        self.layers.update((number, layers) for number, layers in found.items() if layers is not None)

    def _remake(self, lives: Sequence[TrialLife]) -> None:
        """Train trials again up to their best epoch, side by side: their weights went with a worker or an exploit."""
        recipes = {
            life.number: self.ledger.lives.recipe(life.best.key, retrain_last=True) for life in lives if life.best
        }
        if not recipes:
            return
        self.layers.update(retrain_layers(self.fleet, recipes))
        for life in lives:
            life.resident_since = None
        self.ledger.let_go(recipes)
