"""Pack actors on Ray: a seat that is an actor, and how such actors are made, named and found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, NodeDiedError, OutOfMemoryError, RayActorError

from models.pack import warm_up
from workers.pack_host import NothingOpen, PackHost
from workers.seat import SeatLost

NAMESPACE = "regatta"
PROCESS_LOST = (RayActorError, OutOfMemoryError, NodeDiedError)  # the second is Ray's own guard of the node's memory
PULSE_SECONDS = 30.0
"""An actor that has not answered a call for so long is asked for a sign of life, and has as long to give it."""


class PackActor(PackHost):
    """A pack host as a Ray actor: one CPU thread at work, or a share of a GPU. Calls of several jobs wait side by side;
    `ping` has a thread of its own, so that an actor at work answers it."""

    def __init__(self, threads: int = 1) -> None:
        import torch

        torch.set_num_threads(threads)
        device = "cuda" if ray.get_gpu_ids() and torch.cuda.is_available() else "cpu"
        super().__init__(device)
        warm_up(device)

    @ray.method(concurrency_group="pulse")  # type: ignore[untyped-decorator]
    def ping(self) -> str:
        return super().ping()

    @ray.method(concurrency_group="pulse")  # type: ignore[untyped-decorator]
    def process_id(self) -> int:
        """Answer the worker's process id, for tests that kill it and for `doctor`."""
        import os

        return os.getpid()

    def gpu_ids(self) -> list[int]:
        """Answer the GPUs that Ray has given to this actor."""
        return [int(gpu) for gpu in ray.get_gpu_ids()]


@dataclass(frozen=True)
class Berth:
    """What one pack actor takes: CPUs or a share of a GPU."""

    cpus: float = 1.0
    gpus: float = 0.0


def hire(name: str, berth: Berth, calls_at_once: int = 4) -> Any:
    """Get the warm actor of this name, or make it: detached, restarted by Ray when its process dies.

    `calls_at_once`: so many calls wait for a turn side by side; a driver makes one at a time.
    """
    options = {
        "name": name,
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
        "num_cpus": berth.cpus,
        "num_gpus": berth.gpus,
        "max_restarts": -1,
        "max_task_retries": 0,
        "max_concurrency": calls_at_once,
    }
    return ray.remote(concurrency_groups={"pulse": 1})(PackActor).options(**options).remote()


def plan_berths(wanted: int | None, gpu_share: float) -> list[Berth]:
    """Choose how many pack actors the cluster gets and what each takes: shares of its GPUs, else one CPU each."""
    resources = ray.cluster_resources()
    n_gpus = int(resources.get("GPU", 0))
    if n_gpus:
        fitting = int(n_gpus * int(1 / gpu_share + 1e-9))
        return [Berth(cpus=0.0, gpus=gpu_share)] * min(wanted or fitting, fitting)
    n_cpus = max(int(resources.get("CPU", 1)), 1)
    n_actors = wanted or n_cpus
    return [Berth(cpus=min(1.0, n_cpus / n_actors))] * n_actors


@dataclass(frozen=True)
class _RayCall:
    reference: Any
    seat: RaySeat

    def result(self) -> Any:
        """Wait for the answer for as long as the actor shows signs of life."""
        try:
            while not ray.wait([self.reference], timeout=self.seat.pulse_seconds)[0]:
                self.seat.feel_pulse()
            return ray.get(self.reference)
        except (*PROCESS_LOST, GetTimeoutError, NothingOpen) as error:
            raise SeatLost(f"pack actor {self.seat.name} has lost its lanes: {error}") from error


class RaySeat:
    """A seat that is a named pack actor."""

    def __init__(self, name: str, pulse_seconds: float = PULSE_SECONDS) -> None:
        self.name, self.pulse_seconds = name, pulse_seconds
        self._actor = ray.get_actor(name, namespace=NAMESPACE)
        self._asked: Any = None

    def call(self, verb: str, *arguments: Any) -> _RayCall:
        return _RayCall(getattr(self._actor, verb).remote(*arguments), self)

    def share(self, value: Any) -> Any:
        return ray.put(value)

    def feel_pulse(self) -> None:
        """Ask for a sign of life; a process that is stopped or cut off gives none, and Ray does not notice.

        Raises: GetTimeoutError, RayActorError.
        """
        ray.get(self._actor.ping.remote(), timeout=self.pulse_seconds)

    def revive(self, wait_seconds: float) -> bool:
        """Ask whether the actor answers again; wait so long, or see if it has since it was last asked."""
        self._asked = self._asked or self._actor.ping.remote()
        if not ray.wait([self._asked], timeout=wait_seconds)[0]:
            return False
        answer, self._asked = self._asked, None
        try:
            ray.get(answer)
        except PROCESS_LOST:
            return False
        return True
