"""The fleet of a job: many packs on many seats, under one set of verbs. A seat hides where a pack runs; no Ray here."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from models.hyper import Hyperparameters, LaneHyperparameters
from models.lanes import LaneReport, LaneStart, LaneState, Layers, PackSettings, ViewShape
from models.layout import Layout
from models.range_test import Sweep
from workers.costs import WITH_KERNELS, LaneLoad, tariff_for
from workers.errors import WorkersLost
from workers.lanes import JobContext
from workers.pack_host import Lease, Swept
from workers.placement import Paces, even_out, place
from workers.seat import Seat, SeatLost

MAX_REPEATS = 20
"""So often in a row a round or a range test may lose workers before the job gives up."""


class Fleet:
    """Lanes spread over seats. Every verb is one call per seat; calls of one verb run side by side.

    A seat that is lost takes its lanes along: they are missing from answers and named by `take_lost`; whoever knows how
    to rebuild them starts them again.
    """

    def __init__(self, seats: Sequence[Seat], revive_seconds: float = 60.0) -> None:
        if not seats:
            raise ValueError("a fleet needs at least one seat, got none")
        self._seats = {seat.name: seat for seat in seats}
        self._dead: set[str] = set()
        self._revive_seconds = revive_seconds
        self._home: dict[int, str] = {}
        self._load: dict[int, LaneLoad] = {}
        self._at_work: set[int] = set()
        self._lost: set[int] = set()
        self._context: JobContext | None = None
        self._shared: tuple[Any, PackSettings] | None = None
        self._tariff = WITH_KERNELS
        self._paces = Paces()
        self._shortages: dict[str, str] = {}
        self._shapes: dict[Hashable, ViewShape] = {}

    def open(self, context: JobContext) -> dict[str, str]:
        """Send the job's data to every seat; answer each seat's numeric class and source hash by seat name."""
        self._context = context
        first = next(iter(self._seats.values()))
        self._shared = first.share(context.data), context.settings
        answers = self._call_all(dict.fromkeys(self._seats, ("open", self._lease, *self._shared)))
        self._need_seats()
        self._tariff = tariff_for(next(iter(answers.values())))
        return {name: str(answer) for name, answer in answers.items()}

    def start(self, starts: Sequence[LaneStart]) -> list[LaneReport]:
        """Admit lanes, or give live ones another state. Lanes that cannot be built answer with a `failed` report."""
        self._rejoin()
        self._lost -= {s.lane for s in starts}  # what is started again is not missing any more
        self._settle_down([s for s in starts if s.lane not in self._home])
        by_seat: dict[str, list[LaneStart]] = {}
        for item in starts:
            by_seat.setdefault(self._home[item.lane], []).append(item)
        answers = self._call_all({name: ("start", self._lease, items) for name, items in by_seat.items()})
        return _ordered(answers.values())

    def _settle_down(self, starts: Sequence[LaneStart]) -> None:
        """Find seats for lanes, by what is at work: those that were not trained last time are paused or have ended."""
        fresh = {
            start.lane: LaneLoad.of(start.hyper, self._shape(start.hyper, start.fold), self._tariff) for start in starts
        }
        standing = [(self._load[lane], self._home[lane]) for lane in sorted(self._at_work)]
        self._load.update(fresh)
        self._at_work |= fresh.keys()
        living = sorted(self._seats.keys() - self._dead)
        self._home.update(place(fresh, standing, living, self._paces.of(living)))

    def weigh(self, hyper: LaneHyperparameters) -> int:
        """Count the bytes of a lane's weights."""
        return 4 * Layout.of_view(hyper, self._shape(hyper, 0)).n_parameters

    def _shape(self, hyper: LaneHyperparameters, fold: int) -> ViewShape:
        data = self._opened.data
        key = data.view_key(hyper, fold)
        if key not in self._shapes:
            try:
                self._shapes[key] = data.shape(hyper, fold)
            except ValueError:  # the lane will fail by itself and say why; until then it weighs what others do
                return next(iter(self._shapes.values()), ViewShape(0, 0, 0, 0))
        return self._shapes[key]

    def train(self, epochs: Mapping[int, int]) -> list[LaneReport]:
        """Train lanes by their number of epochs, one call per pack; reports ordered by (lane, sequence)."""
        work = self.even_out(epochs)
        self._at_work = epochs.keys() & self._home.keys()
        self._lost |= epochs.keys() - self._at_work
        by_seat: dict[str, dict[int, int]] = {}
        for lane in sorted(self._at_work):
            by_seat.setdefault(self._home[lane], {})[lane] = epochs[lane]
        answers = self._call_all({name: ("train", self._lease, wanted) for name, wanted in by_seat.items()})
        for name, answer in answers.items():
            self._paces.add(name, answer.seconds, sum(work[lane] for lane in by_seat[name]))
            if answer.shortage:
                self._shortages[name] = answer.shortage
        return _ordered(answer.reports for answer in answers.values())

    def sweep(self, hyper: Hyperparameters, sweep: Sweep) -> Swept:
        """Run the steps of a range test on one seat, and on another one where that is lost.

        Raises: WorkersLost.
        """
        n_tries: Counter[str] = Counter()
        while n_tries.total() < MAX_REPEATS:
            self._rejoin()
            name = min(self._seats.keys() - self._dead, key=lambda name: (n_tries[name], name))
            answers: dict[str, Swept] = self._call_all({name: ("sweep", self._lease, hyper, sweep)})
            if name in answers:
                return answers[name]
            n_tries[name] += 1
        raise WorkersLost(f"the range test lost workers {MAX_REPEATS} times in a row")

    def even_out(self, epochs: Mapping[int, int]) -> dict[int, float]:
        """Move lanes before a round that would leave seats idle; lanes that share launches are left together.

        Answer the seconds that each lane's epochs are expected to take.
        """
        work = self._weigh_work(epochs)
        living = sorted(self._seats.keys() - self._dead)
        fares = {lane: self._load[lane].fare for lane in work if not self._load[lane].launches}
        if fares and len(living) > 1:
            self._move(even_out(work, fares, self._home, self._paces.of(living)))
        return self._weigh_work(epochs)

    def _weigh_work(self, epochs: Mapping[int, int]) -> dict[int, float]:
        """Model the seconds of each lane in a round: its own, and its share in the launches of its pack key."""
        lanes = [lane for lane in epochs if lane in self._home]
        together = Counter((self._home[lane], self._load[lane].pack_key) for lane in lanes)

        def seconds(lane: int) -> float:
            load = self._load[lane]
            return load.seconds + load.launches / together[self._home[lane], load.pack_key]

        return {lane: seconds(lane) * epochs[lane] for lane in lanes}

    def _move(self, targets: Mapping[int, str]) -> None:
        """Move lanes to other seats; whom a seat has no room for goes back, or is lost and made again."""
        origins = {lane: self._home[lane] for lane in targets}
        groups = self._grouped(targets)
        answers = self._call_all({name: ("leave", self._lease, lanes) for name, lanes in groups.items()})
        leaving = {start.lane: start for answer in answers.values() for start in answer}
        for seats in (targets, origins):
            leaving = self._arrive(leaving, seats)
        for lane in leaving:
            self._forget(lane)
        self._lost |= leaving.keys()

    def _arrive(self, leaving: Mapping[int, LaneStart], seats: Mapping[int, str]) -> dict[int, LaneStart]:
        """Start lanes on these seats; answer those for whom there is no room."""
        self._home.update((lane, seats[lane]) for lane in leaving)
        groups = self._grouped(leaving)
        answers = self._call_all(
            {name: ("start", self._lease, [leaving[lane] for lane in lanes]) for name, lanes in groups.items()}
        )
        refused = [report.lane for answer in answers.values() for report in answer]
        self._call_all({name: ("drop", self._lease, lanes) for name, lanes in self._grouped(refused).items()})
        return {lane: leaving[lane] for lane in refused if lane in self._home}

    def save(self, lanes: Iterable[int]) -> dict[int, LaneState]:
        """Copy out the state of lanes; those of a lost seat are missing from the answer."""
        answers = self._call_all({name: ("save", self._lease, group) for name, group in self._grouped(lanes).items()})
        return {lane: state for answer in answers.values() for lane, state in answer.items()}

    def keep_best(self, lanes: Iterable[int]) -> None:
        """Let the present epoch of lanes be their best."""
        self._call_all({name: ("keep_best", self._lease, group) for name, group in self._grouped(lanes).items()})

    def best_layers(self, lanes: Iterable[int]) -> dict[int, list[Layers]]:
        """Copy out the weights of each lane's best epoch since it was admitted, in a list of one: see `Lanes`.

        Missing are lanes that never improved and those of a lost seat.
        """
        answers = self._call_all(
            {name: ("best_layers", self._lease, group) for name, group in self._grouped(lanes).items()}
        )
        found = {lane: layers for answer in answers.values() for lane, layers in answer.items()}
        return {lane: [layers] for lane, layers in found.items() if layers is not None}

    def drop(self, lanes: Iterable[int]) -> None:
        """Forget lanes."""
        grouped = self._grouped(lanes)
        self._call_all({name: ("drop", self._lease, group) for name, group in grouped.items()})
        for group in grouped.values():
            for lane in group:
                self._forget(lane)

    def take_lost(self) -> set[int]:
        """Answer the lanes lost since the last time, once."""
        lost, self._lost = self._lost, set()
        return lost

    def take_shortages(self) -> dict[str, str]:
        """Answer, once, by seat why lanes did not fit into memory together and were trained by halves."""
        shortages, self._shortages = self._shortages, {}
        return shortages

    def close(self) -> None:
        """Let every seat forget the job. A seat that cannot is left alone."""
        if self._context is not None:
            self._call_all(dict.fromkeys(set(self._seats) - self._dead, ("close", self._lease)))
        self._home.clear()
        self._load.clear()
        self._at_work.clear()
        self._shapes.clear()
        self._context = None

    @property
    def _opened(self) -> JobContext:
        if self._context is None:
            raise RuntimeError("the fleet is not open: call open() first")
        return self._context

    @property
    def _lease(self) -> Lease:
        return self._opened.lease

    def _grouped(self, lanes: Iterable[int]) -> dict[str, list[int]]:
        by_seat: dict[str, list[int]] = {}
        for lane in sorted(lanes):
            if lane in self._home:
                by_seat.setdefault(self._home[lane], []).append(lane)
        return by_seat

    def _call_all(self, calls: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
        under_way = {name: self._seats[name].call(*call) for name, call in calls.items()}
        answers = {}
        for name, call in under_way.items():
            try:
                answers[name] = call.result()
            except SeatLost:
                self._lose(name)
        return answers

    def _forget(self, lane: int) -> None:
        self._home.pop(lane, None)
        self._load.pop(lane, None)
        self._at_work.discard(lane)

    def _lose(self, name: str) -> None:
        self._dead.add(name)
        gone = {lane for lane, home in self._home.items() if home == name}
        for lane in gone:
            self._forget(lane)
        self._lost |= gone

    def _rejoin(self) -> None:
        """Take back seats that have come back; wait for one only where no other is left."""
        deadline = time.monotonic() + self._revive_seconds
        self._take_back(0.0)
        while len(self._dead) == len(self._seats) and time.monotonic() < deadline:
            self._take_back(1.0)
            time.sleep(0.01)
        self._need_seats()

    def _take_back(self, wait_seconds: float) -> None:
        for name in sorted(self._dead):
            if self._seats[name].revive(wait_seconds):
                self._dead.discard(name)
                if self._context is not None and self._shared is not None:
                    self._call_all({name: ("open", self._lease, *self._shared)})

    def _need_seats(self) -> None:
        if len(self._dead) == len(self._seats):
            names = ", ".join(sorted(self._seats))
            raise WorkersLost(f"every pack actor is lost ({names}) and none came back in {self._revive_seconds:.0f} s")


def _ordered(answers: Iterable[list[LaneReport]]) -> list[LaneReport]:
    reports = [report for answer in answers for report in answer]
    return sorted(reports, key=lambda report: (report.lane, report.sequence))
