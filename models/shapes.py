"""Widths of hidden layers from one width, by a shape's name. No weights.

Source: Talos (Autonomio), `hidden_layers` with `shapes`; its brick is `constant`. Talos goes down to the number of
outputs, these shapes to nothing, so that they are a function of hyperparameters alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

ShapeName = Literal["constant", "funnel", "triangle", "long_funnel"]
Widths = tuple[int, ...]


def _fall(units: int, n_layers: int, n_full: int) -> Widths:
    """`n_full` layers of full width, then down in equal steps towards 0, which would be the next one; rounded up."""
    n_steps = max(n_layers - n_full, 0) + 1
    falling = tuple(-(-units * left // n_steps) for left in range(n_steps - 1, 0, -1))
    return ((units,) * n_full + falling)[:n_layers]


SHAPES: dict[ShapeName, Callable[[int, int], Widths]] = {
    "constant": lambda units, n_layers: (units,) * n_layers,
    "funnel": lambda units, n_layers: _fall(units, n_layers, 1),
    "triangle": lambda units, n_layers: _fall(units, n_layers, 1)[::-1],
    "long_funnel": lambda units, n_layers: _fall(units, n_layers, -(-n_layers // 2)),
}
"""(units, number of hidden layers) -> widths, first layer first; units is the widest."""


def shape_problem(shape: str, units: int | Sequence[int] | None) -> str | None:
    """Say why a shape does not go with units; None for these stands for widths that are drawn layer by layer.

    A width for every layer leaves nothing to shape.
    """
    if shape == "constant" or isinstance(units, int):
        return None
    if units is None:
        wider = "; a funnel that is wider at its end could be drawn" if "funnel" in shape else ""
        return f"units are per layer, so that shape can only be constant, not {shape}{wider}"
    if "funnel" in shape and list(units) != sorted(units, reverse=True):
        return f"a {shape} cannot be wider at its end, as with units {list(units)}; give one width, or shape constant"
    return f"units {list(units)} give every layer its width, so that shape can only be constant, not {shape}"
