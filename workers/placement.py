"""Which lanes ride on which seat: a pure function of loads. No packs, no Ray."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.hyper import Hyperparameters

LAUNCH_COST = 2.0e6
"""Multiply-adds that fit into the launches of one step of one group."""


@dataclass(frozen=True)
class LaneLoad:
    """What a lane costs: `pack_key` names the group it shares launches with, `work` is multiply-adds per row,
    `steps` the relative number of steps per row."""

    pack_key: tuple[int, ...]
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

    Largest work first, each to the seat where it ends up cheapest: a seat that already runs the lane's pack key saves
    the launches. Placement changes no result, only time. Deterministic in its arguments.
    """
    cost = dict.fromkeys(seats, 0.0)
    keys: dict[str, set[tuple[int, ...]]] = {seat: set() for seat in seats}
    for load, seat in standing:
        if seat in cost:
            cost[seat] += _marginal(load, keys[seat])
            keys[seat].add(load.pack_key)
    chosen = {}
    for lane, load in sorted(fresh.items(), key=lambda item: (-item[1].work, item[1].pack_key, item[0])):
        best = min(seats, key=lambda seat: (cost[seat] + _marginal(load, keys[seat]), seat))
        cost[best] += _marginal(load, keys[best])
        keys[best].add(load.pack_key)
        chosen[lane] = best
    return chosen


def _marginal(load: LaneLoad, keys: set[tuple[int, ...]]) -> float:
    return load.work + (0.0 if load.pack_key in keys else LAUNCH_COST * load.steps)


def _padded(width: int) -> int:
    return -(-width // 16) * 16
