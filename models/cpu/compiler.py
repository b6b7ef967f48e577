"""How kernels are compiled and where the compiled code is kept. No arithmetic.

The cache folder is named after the source of all kernels and nothing else. Numba alone would not notice that a kernel's
callee changed, and would compile again for a copy of the sources elsewhere: Ray unpacks one for every cluster.
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
from numba.core.caching import InTreeCacheLocator


@cache
def _cache_folder() -> str:
    """Use numba's own setting or the user's cache folder, or a private temporary one where that cannot be written."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    name = f"kernels-{digest.hexdigest()[:16]}"
    homes = [Path.home() / ".cache" / "regatta", Path(tempfile.gettempdir()) / f"regatta-{os.getuid()}"]
    for home in [Path(numba_config.CACHE_DIR), *homes] if numba_config.CACHE_DIR else homes:
        folder = home / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return str(folder)
    return tempfile.mkdtemp(prefix="regatta-kernels-")


class BySource(InTreeCacheLocator):  # type: ignore[misc]  # numba has no types
    """Keeps compiled kernels in the one folder of their source, wherever that source lies."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        super().__init__(py_func, py_file)
        self._cache_path = _cache_folder()


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile on first use, or load what another process has compiled.

    Products and sums may be fused, which keeps bits; nothing is reordered and NaN stays NaN.
    """
    before = numba_config.CACHE_LOCATOR_CLASSES
    numba_config.CACHE_LOCATOR_CLASSES = f"{__name__}.{BySource.__name__}"
    try:
        compiled: Callable[..., Any] = numba.njit(
            function, cache=True, nogil=True, error_model="numpy", fastmath={"contract"}
        )
    finally:
        numba_config.CACHE_LOCATOR_CLASSES = before
    return compiled
