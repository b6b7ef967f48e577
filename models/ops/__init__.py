"""Activations, one file each: a new file here (and its name in `models.hyper.ActivationName`) is the whole change.

A file defines `forward(z) -> Tensor` (it may work in place on z and return it) and, to be fast,
`backward(delta, kept)`, which turns dLoss/dOutput into dLoss/dInput in place; READS says whether `kept` is the "input"
or the "output" of forward. Without `backward`, autograd serves the op inside the same loop. INITIALISATION is "he",
"glorot" or "lecun". No layers here.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Initialisation = Literal["he", "glorot", "lecun"]


@dataclass(frozen=True)
class Op:
    """One elementwise activation. `is_fast` in the catalog means that it has a backward written by hand."""

    name: str
    summary: str
    initialisation: Initialisation
    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], None] | None = None
    reads: Literal["input", "output"] = "input"

    @property
    def is_fast(self) -> bool:
        return self.backward is not None

    @property
    def keeps_zero(self) -> bool:
        """Whether f(0) is 0: if not, padded units must be set back to zero after every call."""
        return bool(self.forward(torch.zeros(1)).item() == 0.0)

    def apply(self, z: Tensor) -> None:
        """Replace z by f(z)."""
        result = self.forward(z)
        if result is not z:
            z.copy_(result)

    def pull_back(self, delta: Tensor, kept: Tensor) -> None:
        """Multiply delta by f' in place, with the hand-written backward or else with autograd."""
        if self.backward is not None:
            self.backward(delta, kept)
            return
        with torch.enable_grad():
            leaf = kept.detach().requires_grad_()
            result = self.forward(leaf.clone())  # a copy, because forward may work in place
        delta.copy_(torch.autograd.grad(result, leaf, delta)[0])


def _load(name: str) -> Op:
    module = importlib.import_module(f"{__name__}.{name}")
    return Op(
        name=name,
        summary=(module.__doc__ or name).splitlines()[0],
        initialisation=module.INITIALISATION,
        forward=module.forward,
        backward=getattr(module, "backward", None),
        reads=getattr(module, "READS", "input"),
    )


OPS: dict[str, Op] = {info.name: _load(info.name) for info in pkgutil.iter_modules(__path__)}
