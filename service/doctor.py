"""Looks at the machine and the configuration before a user has to: what would keep the service from working."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from service import ray_cluster
from service.database import Database
from service.settings import Settings

LEAST_MEMORY_BYTES = 2 * 2**30
LEAST_DISK_BYTES = 2**30


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    holds: bool
    detail: str


def examine(settings: Settings) -> list[Finding]:
    """Look at everything; nothing is changed but for an empty data directory that may be made."""
    checks: list[Callable[[Settings], Finding]] = [
        _check_python,
        _check_torch,
        _check_memory,
        _check_data_dir,
        _check_database,
        _check_port,
        _check_ray,
    ]
    return [check(settings) for check in checks]


def _check_python(settings: Settings) -> Finding:
    return Finding("python", (3, 11) <= sys.version_info[:2] <= (3, 13), f"{platform.python_version()}; 3.11 to 3.13")


def _check_torch(settings: Settings) -> Finding:
    from models.numeric import numeric_class

    return Finding("torch", True, numeric_class())


def _check_memory(settings: Settings) -> Finding:
    n_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Finding("memory", n_bytes >= LEAST_MEMORY_BYTES, f"{n_bytes / 2**30:.1f} GiB; 2 GiB are the floor")


def _check_data_dir(settings: Settings) -> Finding:
    path = settings.data_dir.resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return Finding("data directory", False, f"{path}: {error.strerror}")
    free = shutil.disk_usage(path).free
    holds = os.access(path, os.W_OK) and free >= LEAST_DISK_BYTES
    return Finding("data directory", holds, f"{path}: {free / 2**30:.1f} GiB free; 1 GiB and write access are needed")


def _check_database(settings: Settings) -> Finding:
    try:
        database = Database(settings.resolved_database_url)
        at_head = database.is_at_head()
        database.close()
    except SQLAlchemyError as error:
        return Finding("database", False, str(error).splitlines()[0])
    return Finding(
        "database", True, "at the newest schema" if at_head else "reachable; `migrate` or `up` brings the schema"
    )


def _check_port(settings: Settings) -> Finding:
    taken = ray_cluster.is_listening(f"{settings.host}:{settings.port}", 0.5)
    return Finding(
        "port", True, f"{settings.port} is {'taken: the service is up, or give --port' if taken else 'free'}"
    )


def _check_ray(settings: Settings) -> Finding:
    if settings.ray_address is None:
        return Finding("ray", True, "none is configured: `up` and `runner` start one")
    holds = ray_cluster.is_listening(settings.ray_address, ray_cluster.PROBE_SECONDS)
    return Finding("ray", holds, f"{settings.ray_address} {'answers' if holds else 'does not answer'}")
