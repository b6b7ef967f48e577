"""What a device can do at best: arithmetic, one large product, a copy. And the clock that all of it is measured by."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

GEMM_SIZE = {"cpu": 2048, "cuda": 8192}
COPY_BYTES = {"cpu": 2**28, "cuda": 2**32}
CHAIN_NUMBERS, CHAIN_ROUNDS, CHAIN_LENGTH = 1024, 100_000, 16


@dataclass(frozen=True)
class Machine:
    """Where and in which type it computes."""

    device: str
    dtype: torch.dtype

    def rand(self, *shape: int) -> Tensor:
        """Draw from -1 to 1."""
        return torch.rand(shape, device=self.device, dtype=self.dtype) * 2 - 1

    def time(self, call: Callable[[], object]) -> float:
        """Seconds of a call, work on the device included."""
        self._wait()
        begun = time.perf_counter()
        call()
        self._wait()
        return time.perf_counter() - begun

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


def measure_peaks(machine: Machine) -> dict[str, float]:
    """Measure one large product, a copy that no cache holds (bytes read and written), and arithmetic.

    The arithmetic peak is that of multiply-adds in registers, one thread; on a GPU, or without numba, it is the large
    product, which libraries do not bring to the peak on every processor.
    """
    n, n_numbers = GEMM_SIZE[machine.device], COPY_BYTES[machine.device] // machine.dtype.itemsize
    a, b, c = (machine.rand(n, n) for _ in range(3))
    source, target = machine.rand(n_numbers), torch.zeros(n_numbers, device=machine.device, dtype=machine.dtype)
    product = 2 * n**3 / _fastest(machine, lambda: torch.mm(a, b, out=c)) / 1e9
    copied = 2 * COPY_BYTES[machine.device] / _fastest(machine, lambda: target.copy_(source)) / 1e9
    on_cpu = machine.device == "cpu" and torch.get_num_threads() == 1 and find_spec("numba")
    return {
        "arithmetic_gflops": round(max(product, _chain_gflops(machine) if on_cpu else 0.0), 1),
        "large_product_gflops": round(product, 1),
        "memory_gb_per_second": round(copied, 1),
    }


def _fastest(machine: Machine, call: Callable[[], object]) -> float:
    call()
    return min(machine.time(call) for _ in range(5))


def _chain_gflops(machine: Machine) -> float:
    import numba

    chain = numba.njit(_chain, fastmath={"contract"}, error_model="numpy")
    numbers = machine.rand(CHAIN_NUMBERS).numpy()
    half = numbers.dtype.type(0.5)
    seconds = _fastest(machine, lambda: chain(CHAIN_ROUNDS, numbers, half))
    return 2 * CHAIN_NUMBERS * CHAIN_ROUNDS * CHAIN_LENGTH / seconds / 1e9


def _chain(n_rounds: int, numbers: NDArray[np.floating[Any]], half: Any) -> None:
    """Compiled, each number stays in a register for a chain of multiply-adds, and many chains run side by side."""
    for _ in range(n_rounds):
        for place in range(len(numbers)):
            number = numbers[place]
            for _ in range(CHAIN_LENGTH):
                number = number * half + half
            numbers[place] = number
