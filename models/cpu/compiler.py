"""How kernels are compiled and where the compiled code is kept. No arithmetic.

The cache folder is named after the source of all kernels: numba alone would not notice that a kernel's callee changed.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import config as numba_config


@cache
def _cache_folder() -> str:
    """Use the user's cache folder, or a private temporary one where that cannot be written."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    name = f"kernels-{digest.hexdigest()[:16]}"
    for home in (Path.home() / ".cache" / "regatta", Path(tempfile.gettempdir()) / f"regatta-{os.getuid()}"):
        folder = home / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return str(folder)
    return tempfile.mkdtemp(prefix="regatta-kernels-")


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile on first use, or load what another process has compiled.

    Products and sums may be fused, which keeps bits; nothing is reordered and NaN stays NaN.
    """
    before = numba_config.CACHE_DIR
    numba_config.CACHE_DIR = before or _cache_folder()
    try:
        compiled: Callable[..., Any] = numba.njit(
            function, cache=True, nogil=True, error_model="numpy", fastmath={"contract"}
        )
    finally:
        numba_config.CACHE_DIR = before
    return compiled
