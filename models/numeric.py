"""The numeric class: on what the last bits of a result depend. Equality of results is bitwise within one class."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

from models.cpu import HAS_COMPILER


@cache
def numeric_class(device: str = "cpu") -> str:
    """Name the device model, the torch build and the compiler of kernels, if there is one.

    Such as `AMD EPYC/AVX512/torch 2.13.0+cpu/numba 0.68.1`.
    """
    build = f"torch {torch.__version__}"
    if device.startswith("cuda"):
        return f"{torch.cuda.get_device_name(device)}/{build}"
    if HAS_COMPILER:
        build += f"/numba {version('numba')}"
    return f"{_processor()}/{torch.backends.cpu.get_cpu_capability()}/{build}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
