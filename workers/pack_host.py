"""Hosts packs, one per open job, in whatever process it lives: the body of a pack actor. Knows no Ray."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

import models
from models.hyper import Hyperparameters
from models.lanes import LaneReport, LaneStart, LaneState, Layers, PackSettings, Views
from models.numeric import numeric_class
from models.pack import Pack
from models.range_test import Floats, Sweep
from workers.turns import Turns


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


class Lease(NamedTuple):
    """A driver's right to the packs of its job: of two drivers of one job, the one with the higher epoch holds it."""

    job: str
    epoch: int = 0


class Trained(NamedTuple):
    """What came of training, and how long it was at work: time that other jobs took in between is left out.

    `shortage` says why lanes that should have trained as one did not fit into memory; they went on by halves.
    """

    reports: list[LaneReport]
    seconds: float
    shortage: str | None = None


class Swept(NamedTuple):
    """What came of the steps of a range test: the losses [steps], or none and why.

    Shapes: see models.sweep.
    """

    losses: Floats
    error: str | None = None


class NotLeased(RuntimeError):
    """A driver spoke for a job that another driver has taken over, or that has been closed under it."""


class NothingOpen(NotLeased):
    """This host has no pack of the job: its process has been restarted, and the job's lanes are gone."""


@dataclass(frozen=True, eq=False)
class _Tenant:
    epoch: int
    pack: Pack


class PackHost:
    """The verbs of a fleet for one process: a pack for every open job, the jobs taking turns by the time they use.

    Calls may come from several threads; those of one job are for its driver to keep in order.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._device = device
        self._turns = Turns()
        self._tenants: dict[str, _Tenant] = {}

    def open(self, lease: Lease, data: Views, settings: PackSettings) -> str:
        """Make the pack of a job, in place of one made earlier; answer `<numeric class>@<source hash>`.

        Raises: NotLeased.
        """
        with self._turns.turn(lease.job):
            self._refuse_older(lease)
            self._tenants[lease.job] = _Tenant(lease.epoch, Pack(data, settings, device=self._device))
        return f"{numeric_class(self._device)}@{SOURCE_HASH}"

    def close(self, lease: Lease) -> None:
        """Forget a job and end what still trains for it; a later driver's pack is left alone."""
        with self._turns.turn(lease.job):
            tenant = self._tenants.get(lease.job)
            if tenant is not None and tenant.epoch <= lease.epoch:
                del self._tenants[lease.job]
        self._turns.forget(lease.job)

    def vacate(self) -> None:
        """Forget all jobs: their drivers went with an earlier runner."""
        for job, tenant in list(self._tenants.items()):
            self.close(Lease(job, tenant.epoch))

    def ping(self) -> str:
        """Answer this host's source hash."""
        return SOURCE_HASH

    def start(self, lease: Lease, starts: Sequence[LaneStart]) -> list[LaneReport]:
        """See models.pack.Pack.start."""
        with self._at_turn(lease) as pack:
            return pack.start(starts)

    def train(self, lease: Lease, epochs: Mapping[int, int]) -> Trained:
        """See models.pack.Pack.train; each slice of it waits for a turn of the job.

        Raises: NotLeased, also when the pack is closed or replaced meanwhile.
        """
        pack, seconds = self._pack(lease), 0.0

        @contextmanager
        def turn() -> Iterator[None]:
            nonlocal seconds
            with self._at_turn_with(pack, lease):
                begun = time.perf_counter()
                yield
                seconds += time.perf_counter() - begun

        with self._turns.stay(lease.job):
            reports = pack.train(epochs, turn)
        return Trained(reports, seconds, pack.take_shortage())

    def sweep(self, lease: Lease, hyper: Hyperparameters, sweep: Sweep) -> Swept:
        """See models.pack.Pack.sweep; each slice of it waits for a turn of the job, as those of `train` do.

        Raises: NotLeased.
        """
        pack = self._pack(lease)
        try:
            with self._turns.stay(lease.job):
                return Swept(pack.sweep(hyper, sweep, lambda: self._at_turn_with(pack, lease)))
        except NotLeased:
            raise
        except Exception as error:  # as in a lane: the job goes on without it
            return Swept(np.empty(0), f"{type(error).__name__}: {error}")

    def save(self, lease: Lease, lanes: Sequence[int]) -> dict[int, LaneState]:
        """See models.pack.Pack.save."""
        with self._at_turn(lease) as pack:
            return pack.save(lanes)

    def keep_best(self, lease: Lease, lanes: Sequence[int]) -> None:
        """See models.pack.Pack.keep_best."""
        with self._at_turn(lease) as pack:
            pack.keep_best(lanes)

    def best_layers(self, lease: Lease, lanes: Sequence[int]) -> dict[int, Layers | None]:
        """See models.pack.Pack.best_layers."""
        with self._at_turn(lease) as pack:
            return {lane: pack.best_layers(lane) for lane in lanes}

    def leave(self, lease: Lease, lanes: Sequence[int]) -> list[LaneStart]:
        """See models.pack.Pack.leave."""
        with self._at_turn(lease) as pack:
            return pack.leave(lanes)

    def drop(self, lease: Lease, lanes: Sequence[int]) -> None:
        """See models.pack.Pack.drop."""
        with self._at_turn(lease) as pack:
            pack.drop(lanes)

    @contextmanager
    def _at_turn(self, lease: Lease) -> Iterator[Pack]:
        """Wait for the job's turn: only then is it known whose pack it is."""
        with self._turns.turn(lease.job):
            yield self._pack(lease)

    @contextmanager
    def _at_turn_with(self, pack: Pack, lease: Lease) -> Iterator[None]:
        """Wait for the job's turn to go on with what was begun on this pack."""
        with self._at_turn(lease) as present:
            if present is not pack:
                raise NotLeased(f"the lanes of {lease.job!r} have been made anew while they were trained")
            yield

    def _pack(self, lease: Lease) -> Pack:
        self._refuse_older(lease)
        tenant = self._tenants.get(lease.job)
        if tenant is None or tenant.epoch < lease.epoch:
            raise NothingOpen(f"this pack actor has no pack of {lease.job!r}")
        return tenant.pack

    def _refuse_older(self, lease: Lease) -> None:
        tenant = self._tenants.get(lease.job)
        if tenant is not None and tenant.epoch > lease.epoch:
            raise NotLeased(
                f"{lease.job!r} is leased under epoch {tenant.epoch}, not {lease.epoch}: the lease has passed on"
            )
