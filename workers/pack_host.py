"""Hosts packs, one per open job, in whatever process it lives: the body of a pack actor. Knows no Ray."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import models
from models.lanes import LaneReport, LaneStart, LaneState, Layers, PackData, PackSettings
from models.numeric import numeric_class
from models.pack import Pack


def _hash_source() -> str:
    """Hash the source of `models/`, so that a driver can tell a worker that runs other code."""
    digest = hashlib.sha256()
    root = Path(models.__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


SOURCE_HASH = _hash_source()
"""Of the code that this process has loaded, so it is taken once, at import."""


class NotLeased(RuntimeError):
    """A driver spoke for a job that this host does not serve any more."""


class NothingOpen(NotLeased):
    """This host serves no job: its process has been restarted, and its lanes are gone."""


class PackHost:
    """The verbs of a fleet for one process, one job at a time. Not thread-safe: an actor serves one call at a time."""

    def __init__(self, device: str = "cpu") -> None:
        self._device = device
        self._pack: Pack | None = None
        self._job = ""

    def open(self, job: str, data: PackData, settings: PackSettings, again: bool = False) -> str:
        """Make the pack of a job, forgetting any other; answer `<numeric class>@<source hash>`.

        `again` is said by a driver that has lost this host: it takes it back only if nobody else has it by now.
        Raises: NotLeased.
        """
        if again and self._job not in ("", job):
            raise self._foreign(job)
        self._pack, self._job = Pack(data, settings, device=self._device), job
        return f"{numeric_class(self._device)}@{SOURCE_HASH}"

    def close(self, job: str) -> None:
        """Forget a job; another job's pack is left alone."""
        if job == self._job:
            self._pack, self._job = None, ""

    def ping(self) -> str:
        """Answer this host's source hash."""
        return SOURCE_HASH

    def start(self, job: str, starts: Sequence[LaneStart]) -> list[LaneReport]:
        """See models.pack.Pack.start."""
        return self._leased(job).start(starts)

    def train(self, job: str, epochs: Mapping[int, int]) -> list[LaneReport]:
        """See models.pack.Pack.train."""
        return self._leased(job).train(epochs)

    def save(self, job: str, lanes: Sequence[int]) -> dict[int, LaneState]:
        """See models.pack.Pack.save."""
        return self._leased(job).save(lanes)

    def best_layers(self, job: str, lanes: Sequence[int]) -> dict[int, Layers | None]:
        """See models.pack.Pack.best_layers."""
        pack = self._leased(job)
        return {lane: pack.best_layers(lane) for lane in lanes}

    def drop(self, job: str, lanes: Sequence[int]) -> None:
        """See models.pack.Pack.drop."""
        self._leased(job).drop(lanes)

    def _leased(self, job: str) -> Pack:
        if self._pack is None:
            raise NothingOpen(f"this pack actor serves no job, so not {job!r} either")
        if job != self._job:
            raise self._foreign(job)
        return self._pack

    def _foreign(self, job: str) -> NotLeased:
        return NotLeased(f"this pack actor serves {self._job!r}, not {job!r}: the lease has passed on")
