"""Which lanes ride on which seat: a pure function of loads. No packs, no Ray."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.hyper import Hyperparameters

LAUNCH_COST = 2.0e6
"""Multiply-adds that fit into the launches of one step of one group."""


PackKey = tuple[int, ...]


@dataclass(frozen=True)
class LaneLoad:
    """What a lane costs: `pack_key` names the group it shares launches with, `work` is multiply-adds per row,
    `steps` the relative number of steps per row."""

    pack_key: PackKey
    work: float
    steps: float

    @classmethod
    def of(cls, hyper: Hyperparameters) -> LaneLoad:
        """Estimate from hyperparameters alone; input and output widths are the same for all lanes of a job."""
        widths = tuple(_padded(width) for width in hyper.widths)
        work = 64.0 * sum(widths[:1]) + sum(a * b for a, b in itertools.pairwise(widths)) + 16.0 * sum(widths[-1:])
        return cls((hyper.batch_size, *widths), 3 * max(work, 1024.0), 1 / hyper.batch_size)


def place(
    fresh: Mapping[int, LaneLoad], standing: Sequence[tuple[LaneLoad, str]], seats: Sequence[str]
) -> dict[int, str]:
    """Choose a seat for every fresh lane, given the lanes that stand already.

    Lanes of one pack key share their launches, so they stay together, unless all of them are more than one seat's fair
    share and their arithmetic outweighs the launches. Largest first, each to the seat where it ends up cheapest.
    Placement changes no result, only time.
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
        best = min(seats, key=lambda seat: (cost[seat] + _marginal(loads, keys[seat]), seat))
        cost[best] += _marginal(loads, keys[best])
        keys[best].add(loads[0].pack_key)
        chosen.update(dict.fromkeys(lanes, best))
    return chosen


def _bundles(fresh: Mapping[int, LaneLoad], n_seats: int) -> list[list[int]]:
    """Bundle lanes by pack key, dearest first; a bundle of more than a fair share is cut into equal parts."""
    groups: dict[PackKey, list[int]] = {}
    for lane, load in sorted(fresh.items(), key=lambda item: (-item[1].work, item[0])):
        groups.setdefault(load.pack_key, []).append(lane)
    costs = {key: _marginal([fresh[lane] for lane in lanes], set()) for key, lanes in groups.items()}
    share = sum(costs.values()) / n_seats
    parts = []
    for key, lanes in groups.items():
        launches = LAUNCH_COST * fresh[lanes[0]].steps
        worthwhile = 1 + int((costs[key] - launches) / launches)  # each part pays the launches again
        n_parts = min(math.ceil(costs[key] / share), n_seats, len(lanes), worthwhile)
        parts += [(-costs[key] / n_parts, key, lanes[part::n_parts]) for part in range(n_parts)]
    return [lanes for _, _, lanes in sorted(parts)]


def _marginal(loads: Sequence[LaneLoad], keys: set[PackKey]) -> float:
    """Price lanes of one pack key on a seat that runs these keys already."""
    launches = 0.0 if loads[0].pack_key in keys else LAUNCH_COST * loads[0].steps
    return sum(load.work for load in loads) + launches


def _padded(width: int) -> int:
    return -(-width // 16) * 16
