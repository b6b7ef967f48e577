"""A quick start: libraries are imported without garbage collection."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Import without collecting, and keep what was imported out of every later collection.

    The libraries make very many objects and hardly any garbage, and every full collection walks through all of them.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
