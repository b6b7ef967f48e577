"""A system in a process of its own, alive for one turn: nothing of the others runs or is imported beside it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from benchmarks.peer_systems import Entry
from benchmarks.peer_systems.task import Point, Searched, System
from tests.e2e.running import command_line, descendants, wait_until

TURN_SECONDS = 1800.0
CLOSE_SECONDS = 30.0
Answer = TypeVar("Answer")
_system: list[System] = []


class Host:
    """Opens a system, asks it, ends it. What does not answer in TURN_SECONDS is killed."""

    def __init__(self, entry: Entry) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="regatta-peer-", ignore_cleanup_errors=True)
        self._process = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        self._pid = self._run(os.getpid)
        try:
            self.setup = self._run(_open, entry, Path(self._folder.name))
        except BaseException:
            self._end()
            raise

    def search(self, points: list[Point], seed: int) -> Searched:
        """Search over a list.

        Raises: ValueError if the system took other points; TimeoutError; whatever the system raises.
        """
        found: Searched = self.ask("search", points, seed)
        if found.points != points:
            raise ValueError("the system trained other points than those of the list")
        return found

    def ask(self, verb: str, *arguments: Any) -> Any:
        """Call a method of the system. Raises: TimeoutError; whatever the system raises."""
        return self._run(_ask, verb, *arguments)

    def _run(self, call: Callable[..., Answer], *arguments: Any) -> Answer:
        return self._process.submit(call, *arguments).result(TURN_SECONDS)

    def __enter__(self) -> Host:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def _end(self) -> None:
        """Let the system close and its processes end; kill what is left, a stuck one too."""
        started = [*descendants(self._pid), self._pid]
        with contextlib.suppress(Exception):
            self._process.submit(_close).result(CLOSE_SECONDS)
            self._process.shutdown(wait=False)
            wait_until(lambda: not any(map(command_line, started)), CLOSE_SECONDS, "the system's processes ended")
        for pid in filter(command_line, started):
            os.kill(pid, signal.SIGKILL)
        self._process.shutdown(wait=True, cancel_futures=True)
        self._folder.cleanup()


def _open(entry: Entry, folder: Path) -> str:
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        del os.environ[name]  # of whoever started us; a token of another cluster would make Ray wait for ever
    kind = getattr(import_module(f"benchmarks.peer_systems.{entry.module}"), entry.kind)
    _system.append(kind(folder))
    return _system[0].setup


def _ask(verb: str, *arguments: Any) -> Any:
    return getattr(_system[0], verb)(*arguments)


def _close() -> None:
    if _system:
        _system.pop().close()
