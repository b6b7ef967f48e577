"""Models that are ready to predict: the latest few, by id. A package is read from the database once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from models.predictor import Predictor


class Predictors:
    """A cache of predictors, safe for the threads of the API. A model never changes, so nothing expires."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._ready: OrderedDict[str, Predictor] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: str, read: Callable[[], bytes]) -> Predictor:
        """Find the predictor of the package with this digest, or build it from the package that `read` gives.

        Raises: PackageError.
        """
        with self._lock:
            found = self._ready.get(digest)
            if found is not None:
                self._ready.move_to_end(digest)
                return found
        built = Predictor.from_package(read())
        with self._lock:
            self._ready[digest] = built
            while len(self._ready) > self._size:
                self._ready.popitem(last=False)
        return built
