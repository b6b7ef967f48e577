"""Which lanes ride on which seat: pure functions of costs. No packs, no Ray."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from workers.costs import LaneLoad, PackKey

Rider = tuple[float, int]
"""A lane with its work, the work first."""

PACE_SECONDS, DOUBT_SECONDS = 30.0, 3.0
"""A seat's pace is that of its last so many seconds, mixed with so many at the pace of all seats together."""
ROUND_SHARE, MOVE_SECONDS = 0.1, 10e-3
"""Lanes move if that saves a tenth of a round, and the time of the calls, beside their fares."""


def place(
    fresh: Mapping[int, LaneLoad],
    standing: Sequence[tuple[LaneLoad, str]],
    seats: Sequence[str],
    pace: Mapping[str, float],
) -> dict[int, str]:
    """Choose a seat for every fresh lane, given the lanes that are at work already; `pace` is as in `even_out`.

    The seat with most to do ends a round, so lanes go one after another, dearest first, each to the seat where it ends
    up cheapest. Lanes that share launches stay together, unless all of them are more than one seat's fair share and
    what they cost by themselves outweighs the launches. Placement changes no result, only time.
    Deterministic in its arguments.
    """
    cost = dict.fromkeys(seats, 0.0)
    keys: dict[str, set[PackKey]] = {seat: set() for seat in seats}
    for load, seat in standing:
        if seat in cost:
            cost[seat] += _marginal([load], keys[seat])
            keys[seat].add(load.pack_key)
    chosen = {}
    for lanes in _bundles(fresh, len(seats)):
        loads = [fresh[lane] for lane in lanes]
        best = min(seats, key=lambda seat: (pace[seat] * (cost[seat] + _marginal(loads, keys[seat])), seat))
        cost[best] += _marginal(loads, keys[best])
        keys[best].add(loads[0].pack_key)
        chosen.update(dict.fromkeys(lanes, best))
    return chosen


class Paces:
    """How many seconds a second of modelled work takes on each seat: slow machines and busy neighbours.

    Moments are noise, so a seat is believed to be slower than the others only as far as seconds of work have shown it.
    """

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float, float]] = {}

    def add(self, seat: str, seconds: float, modelled: float) -> None:
        """Take in what a seat has done; what lies long back fades."""
        before = self._sums.get(seat, (0.0, 0.0))
        fading = min(1.0, PACE_SECONDS / (before[0] + seconds)) if before[0] else 1.0
        self._sums[seat] = fading * before[0] + seconds, fading * before[1] + modelled

    def of(self, seats: Sequence[str]) -> dict[str, float]:
        """Give the pace of each seat."""
        sums = {seat: self._sums.get(seat, (0.0, 0.0)) for seat in seats}
        seconds, modelled = (sum(parts) for parts in zip(*sums.values(), strict=True))
        usual = seconds / modelled if seconds and modelled else 1.0
        doubt = DOUBT_SECONDS / usual
        return {seat: (own + doubt * usual) / (work + doubt) for seat, (own, work) in sums.items()}


def even_out(
    work: Mapping[int, float], fares: Mapping[int, float], home: Mapping[int, str], pace: Mapping[str, float]
) -> dict[int, str]:
    """Say which lanes should move where before a round, so that its last seat is done sooner; often none.

    `work` is each lane's seconds in this round as modelled, `fares` what it takes to move those that may, `pace` what a
    second of modelled work takes on each seat. Moves have to pay within the round.
    Deterministic in its arguments.
    """
    riders: dict[str, list[Rider]] = {seat: [] for seat in sorted(pace)}
    for lane, seconds in sorted(work.items()):
        riders[home[lane]].append((seconds, lane))
    cost = {seat: pace[seat] * sum(seconds for seconds, _ in lanes) for seat, lanes in riders.items()}
    riders = {seat: [rider for rider in lanes if rider[1] in fares] for seat, lanes in riders.items()}
    longest, moves = max(cost.values()), dict[int, str]()
    worthwhile = max(ROUND_SHARE * longest, MOVE_SECONDS)
    if longest - sum(cost.values()) / len(cost) <= worthwhile:
        return {}
    while move := _best_move(riders, cost, pace):
        (seconds, lane), source, target = move
        riders[source].remove((seconds, lane))
        riders[target].append((seconds, lane))
        cost[source] -= pace[source] * seconds
        cost[target] += pace[target] * seconds
        moves[lane] = target
    moves = {lane: seat for lane, seat in moves.items() if seat != home[lane]}  # some have come back
    gain = longest - max(cost.values()) - sum(fares[lane] for lane in moves)
    return moves if gain > worthwhile else {}


def _best_move(
    riders: Mapping[str, Sequence[Rider]], cost: Mapping[str, float], pace: Mapping[str, float]
) -> tuple[Rider, str, str] | None:
    """Find the lane of the longest seat that is best moved to the shortest one; None if none makes the two shorter."""
    source, target = max(cost, key=lambda seat: cost[seat]), min(cost, key=lambda seat: cost[seat])

    def left_over(rider: Rider) -> float:
        return max(cost[source] - pace[source] * rider[0], cost[target] + pace[target] * rider[0])

    best = min(riders[source], key=left_over, default=None)
    return (best, source, target) if best and left_over(best) < cost[source] * (1 - 1e-9) else None


def _bundles(fresh: Mapping[int, LaneLoad], n_seats: int) -> list[list[int]]:
    """Bundle lanes that share launches, dearest first; a bundle of more than a fair share is cut into equal parts."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for lane, load in sorted(fresh.items()):
        groups.setdefault(load.pack_key if load.launches else (-1, lane), []).append(lane)
    costs = {key: _marginal([fresh[lane] for lane in lanes], set()) for key, lanes in groups.items()}
    share = sum(costs.values()) / n_seats
    parts = []
    for key, lanes in groups.items():
        n_parts = min(math.ceil(costs[key] / share), n_seats, len(lanes), _most_parts(costs[key], fresh[lanes[0]]))
        parts += [(-costs[key] / n_parts, key, lanes[part::n_parts]) for part in range(n_parts)]
    return [lanes for _, _, lanes in sorted(parts)]


def _most_parts(cost: float, load: LaneLoad) -> int:
    """Say into how many parts a bundle may be cut: each pays the launches again."""
    return 1 + int((cost - load.launches) / load.launches) if load.launches else 1


def _marginal(loads: Sequence[LaneLoad], keys: set[PackKey]) -> float:
    """Price lanes of one pack key on a seat that runs these keys already."""
    launches = 0.0 if loads[0].pack_key in keys else loads[0].launches
    return sum(load.seconds for load in loads) + launches
