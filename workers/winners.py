"""The best trials of a job: who is among them, fetching or remaking their weights, storing the models of the best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from models.hyper import LaneHyperparameters
from models.lanes import Layers
from search.aims import Aims
from search.trial import TrialState
from workers.errors import WorkersLost
from workers.fleet import MAX_REPEATS
from workers.lanes import Lanes
from workers.ledger import Ledger
from workers.lives import Best, TrialLife
from workers.retrain import retrain_layers
from workers.sink import ModelFact, Sink

COMPETING = frozenset({TrialState.COMPLETED, TrialState.STOPPED})
MOST_BYTES = 512 * 1024**2
"""Weights that contenders may take in the driver's memory; the worst of them leave first."""


@dataclass(frozen=True)
class Contender:
    """A trial that has ended, with the weights of its best epoch: of each of its lanes, or of one trained once more.

    The first are those of its model.
    """

    life: TrialLife
    best: Best
    layers: list[Layers]

    @property
    def hyper(self) -> LaneHyperparameters:
        """What its best epoch was trained with."""
        return self.life.segments[self.best.key.segment].hyper


def select_competing(lives: Iterable[TrialLife], aims: Aims) -> list[TrialLife]:
    """Pick the trials that may win: those that have ended well and keep the limits at their best epoch."""
    return [life for life in lives if life.best and life.state in COMPETING and aims.keeps(life.best.metrics)]


def rank(lives: Iterable[TrialLife], aims: Aims) -> list[TrialLife]:
    """Sort trials by their best epochs, the best first, ties by further objectives, then by number."""
    return sorted((life for life in lives if life.best), key=lambda life: (aims.costs(_results(life)), life.number))


def _results(life: TrialLife) -> tuple[float, ...]:
    return life.best.metrics if life.best else ()


def find_nearest(lives: Iterable[TrialLife], aims: Aims) -> tuple[TrialLife, int] | None:
    """Find who would compete but for the limits: the one that breaks them least, and how many they are."""
    broken = [life for life in lives if life.best and life.state in COMPETING and not aims.keeps(life.best.metrics)]
    if not broken:
        return None
    return min(broken, key=lambda life: (aims.violation(_results(life)), life.number)), len(broken)


def describe_nearest(life: TrialLife, n_broken: int, aims: Aims) -> str:
    """Tell a user whose job has no winner for its limits."""
    excess = ", ".join(f"{metric} by {value:g}" for metric, value in aims.broken(_results(life)).items())
    return f"none of {n_broken} trials keeps the limits; trial {life.number} comes nearest and misses {excess}"


@dataclass
class Winners:
    """The best trials that have ended, by one rule (`Aims.best`) that is also that of the database.

    Models of the `keep` best, or of all of a front, are stored as trials end, unless their networks are trained once
    more. Contenders keep their weights here until the job ends. Who is one is a function of the trials alone, never of
    what was at hand: weights that a crash has taken are made again, once, when the job ends. `weigh` says how many
    bytes a trial's networks take.
    """

    ledger: Ledger
    lanes: Lanes
    sink: Sink
    package: Callable[[Contender], ModelFact]
    weigh: Callable[[LaneHyperparameters], int]
    keep: int
    n_contenders: int
    aims: Aims
    stores: bool
    stored: set[int] = field(default_factory=set)
    top: list[TrialLife] = field(default_factory=list)
    contenders: list[TrialLife] = field(default_factory=list)
    layers: dict[int, list[Layers]] = field(default_factory=dict)

    def consider(self, numbers: Iterable[int]) -> None:
        """Take in trials that have ended; store the models of those among the best. Call before lanes are dropped."""
        competing = select_competing(map(self.ledger.life, numbers), self.aims)
        known = {life.number: life for life in [*self.top, *self.contenders, *competing]}
        best = self.aims.best({number: _results(life) for number, life in known.items()}, self.keep)
        self.top, self.contenders = [known[n] for n in best], self._choose(rank(known.values(), self.aims))
        self._gather(self._missing([*self._unstored(), *self.contenders]))
        self._remake(self._missing(self._unstored()))
        self._store()
        self.layers = {life.number: self.layers[life.number] for life in self.contenders if life.number in self.layers}

    def complete(self) -> list[Contender]:
        """Make again what went with lost workers or a lost driver; answer the contenders, the winner first.

        Nobody is answered where the winner's weights cannot be had.

        Raises: WorkersLost.
        """
        for _ in range(MAX_REPEATS):
            missing = self._missing([*self._unstored(), *self.contenders])
            self._remake(missing)
            if not self.lanes.take_lost() & {life.number for life in missing}:
                break  # all are there, but for those that can be made nowhere
        else:
            raise WorkersLost(f"the weights of the best lost workers {MAX_REPEATS} times in a row")
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
        return [life for life in self.top if life.number not in self.stored] if self.stores else []

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
        self.layers.update(self.lanes.best_layers(at_hand))

    def _remake(self, lives: Sequence[TrialLife]) -> None:
        """Train trials again up to their best epoch, side by side: their weights went with a worker or an exploit."""
        recipes = {
            life.number: self.ledger.lives.recipe(life.best.key, retrain_last=True) for life in lives if life.best
        }
        if not recipes:
            return
        self.layers.update(retrain_layers(self.lanes, recipes))
        for life in lives:
            life.resident_since = None
        self.ledger.let_go(recipes)
