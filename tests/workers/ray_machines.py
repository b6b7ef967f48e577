"""A real Ray of two small nodes on this machine, one with a GPU that it only claims to have."""

from __future__ import annotations

import itertools
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.cluster_utils import Cluster

from workers.ray_seat import NAMESPACE, Berth, RaySeat, hire

_NODE = {"object_store_memory": 100 * 2**20, "include_dashboard": False}
_names = (f"pack-{number}" for number in itertools.count())


@contextmanager
def two_nodes() -> Iterator[None]:
    """Start the nodes and connect to them; all of it ends with the block."""
    cluster = Cluster(initialize_head=True, head_node_args={**_NODE, "num_cpus": 2, "num_gpus": 1})
    try:
        cluster.add_node(**_NODE, num_cpus=2)
        ray.init(cluster.address, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR)
        yield
    finally:
        ray.shutdown()
        cluster.shutdown()


@contextmanager
def hired(*berths: Berth) -> Iterator[list[RaySeat]]:
    """Hire pack actors and let them go after the block."""
    names = [next(_names) for _ in berths]
    actors = [hire(name, berth) for name, berth in zip(names, berths, strict=True)]
    try:
        ray.get([actor.ping.remote() for actor in actors], timeout=120)
        yield [RaySeat(name) for name in names]
    finally:
        for actor in actors:
            ray.kill(actor)


def ask(seat: RaySeat, verb: str) -> Any:
    """Ask an actor something that is no verb of a fleet."""
    return ray.get(getattr(ray.get_actor(seat.name, namespace=NAMESPACE), verb).remote(), timeout=60)


def node_of(seat: RaySeat) -> str:
    """Tell on which node an actor lives."""
    actor = ray.get_actor(seat.name, namespace=NAMESPACE)
    return str(ray.get(actor.__ray_call__.remote(lambda _: ray.get_runtime_context().get_node_id()), timeout=60))


def kill_process(seat: RaySeat) -> None:
    """Kill the actor's process as the kernel does when memory runs out."""
    os.kill(ask(seat, "process_id"), signal.SIGKILL)
