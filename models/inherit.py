"""The weights of one network taken over by another of perhaps other widths and depth. A pure function; no training.

After Real et al. 2017, Large-Scale Evolution of Image Classifiers, 3.3: a child keeps what fits. Where shapes differ,
after Chen et al. 2016, Net2Net: what is new changes nothing at first. New units have fresh weights below and none
above; a new layer passes on what it is given. So a grown network predicts what its parent predicts, as far as its
activation leaves alone what it has made (ReLU, identity) and no normalisation mixes units or rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest

import numpy as np

from models.lanes import LaneState
from models.layout import RUNNING, Floats, Layout, Pair
from models.live_lane import PARAMETERS


def inherit(
    state: LaneState, parent: Layout, child: Layout, fresh: Mapping[str, Floats], same_inputs: bool = True
) -> LaneState:
    """Give the state that a child of this layout begins with: its age is 0, its optimizer remembers nothing.

    Hidden layers correspond from the inputs on. Of a narrower layer the first units are kept; above layers that are
    gone, and where the inputs stand for something else (`same_inputs` is false, or they are embedded in another way),
    weights are fresh. `fresh` are the padded rows of a network that begins anew: `Layout.draw` and
    `Layout.first_running`.
    """
    given = state.arrays[PARAMETERS]
    row, source = fresh[PARAMETERS].copy(), parent.pack(given)
    same_inputs = same_inputs and parent.embedding == child.embedding and parent.widths[0] == child.widths[0]
    _fill_layers(row, source, parent, child, same_inputs)
    if parent.embedding == child.embedding:
        child.embedding_view(row)[...] = parent.embedding_view(source)
    arrays = {PARAMETERS: row}
    if parent.normalisation == child.normalisation:
        _fill_norms(row, source, parent, child)
    if child.running_size:
        arrays[RUNNING] = running = fresh[RUNNING].copy()
        if parent.running_size:
            _fill_norms(running, parent.pack(state.arrays[RUNNING], RUNNING), parent, child)
    return LaneState(0, 0, {name: child.unpack(array, name).astype(given.dtype) for name, array in arrays.items()})


def _fill_layers(row: Floats, source: Floats, parent: Layout, child: Layout, same_inputs: bool) -> None:
    *hidden, output = child.layer_blocks(row)
    *known, known_output = parent.layer_blocks(source)
    pairs: list[tuple[Pair, Pair | None]] = [*zip_longest(hidden, known[: len(hidden)])]
    if hidden and not known:
        return  # there is nothing that a hidden layer could pass on
    if len(hidden) >= len(known):
        pairs.append((output, known_output))
    carried = _carried(parent, child)
    for depth, ((weight, bias), theirs) in enumerate(pairs):
        if depth == 0 and not same_inputs:
            continue
        below, here = carried[depth : depth + 2]
        weight[:, :here] = 0
        if theirs is None:
            np.fill_diagonal(weight[:below, :here], 1)
        else:
            weight[:below, :here], bias[:here] = theirs[0][:below, :here], theirs[1][:here]


def _carried(parent: Layout, child: Layout) -> list[int]:
    """Count, for the inputs and every layer of the child, the units that stand for some of the parent's."""
    found = [min(parent.widths[0], child.widths[0])]
    for depth, width in enumerate(child.widths[1:-1], start=1):
        found.append(min(width, parent.widths[depth] if depth < len(parent.widths) - 1 else found[-1]))
    return [*found, child.widths[-1]]


def _fill_norms(row: Floats, source: Floats, parent: Layout, child: Layout) -> None:
    """Take over scales and shifts, or running means and variances, of the hidden layers that both have."""
    for mine, theirs in zip(child.norm_blocks(row), parent.norm_blocks(source), strict=False):
        for own, other in zip(mine, theirs, strict=True):
            n = min(len(own), len(other))
            own[:n] = other[:n]
