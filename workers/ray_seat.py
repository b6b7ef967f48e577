"""Pack actors on Ray: a seat that is an actor, and how such actors are made, named and found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, NodeDiedError, OutOfMemoryError, RayActorError

from workers.fleet import SeatLost
from workers.pack_host import NothingOpen, PackHost

NAMESPACE = "regatta"
PROCESS_LOST = (RayActorError, OutOfMemoryError, NodeDiedError)  # the second is Ray's own guard of the node's memory


class PackActor(PackHost):
    """A pack host as a Ray actor: one CPU thread, or a share of a GPU."""

    def __init__(self, threads: int = 1) -> None:
        import torch

        torch.set_num_threads(threads)
        device = "cuda" if ray.get_gpu_ids() and torch.cuda.is_available() else "cpu"
        super().__init__(device)

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


def hire(name: str, berth: Berth) -> Any:
    """Get the warm actor of this name, or make it: detached, restarted by Ray when its process dies."""
    options = {
        "name": name,
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
        "num_cpus": berth.cpus,
        "num_gpus": berth.gpus,
        "max_restarts": -1,
        "max_task_retries": 0,
    }
    return ray.remote(PackActor).options(**options).remote()


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
    name: str

    def result(self) -> Any:
        try:
            return ray.get(self.reference)
        except (*PROCESS_LOST, NothingOpen) as error:
            raise SeatLost(f"pack actor {self.name} has lost its lanes: {error}") from error


class RaySeat:
    """A seat that is a named pack actor."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._actor = ray.get_actor(name, namespace=NAMESPACE)

    def call(self, verb: str, *arguments: Any) -> _RayCall:
        return _RayCall(getattr(self._actor, verb).remote(*arguments), self.name)

    def share(self, value: Any) -> Any:
        return ray.put(value)

    def revive(self, wait_seconds: float) -> bool:
        """Ask whether Ray has restarted the actor; wait that long for it, or not at all."""
        try:
            ray.get(self._actor.ping.remote(), timeout=max(wait_seconds, 0.05))
        except (GetTimeoutError, *PROCESS_LOST):
            return False
        return True
