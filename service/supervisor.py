"""Everything in one command: the parts of the service as children of one process, started in order, ended together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable

import structlog

from service import ray_cluster
from service.database import migrate
from service.settings import Settings, child_environment

STOP_SECONDS = 10.0
RESTART_SECONDS = 1.0
READY_SECONDS = 180.0
log = structlog.get_logger("up")


class Supervisor:
    """Runs the API, the runner and a Ray head; a part that dies is started again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._parts: dict[str, subprocess.Popen[bytes]] = {}
        self._head: ray_cluster.Head | None = None
        self._stopping = threading.Event()

    def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until `stop`; whatever happens, nothing that was started outlives this call."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        try:
            self._settings.data_dir.mkdir(parents=True, exist_ok=True)
            migrate(self._settings.resolved_database_url)
            self._start_part("api")
            self._start_runner()
            threading.Thread(target=self._await_ready, args=(on_ready,), daemon=True).start()
            while not self._stopping.wait(0.2):
                self._tend()
        finally:
            self._end()

    def _on_signal(self, *_: object) -> None:
        self._stopping.set()

    def _start_runner(self) -> None:
        address = self._settings.ray_address
        if address is None:
            self._head = ray_cluster.start_head(self._settings)
            address = self._head.address
        self._start_part("runner", "--ray-address", address)

    def _start_part(self, name: str, *arguments: str) -> None:
        self._parts[name] = subprocess.Popen(
            [sys.executable, "-m", "service", name, "--tied", *arguments],
            stdin=subprocess.PIPE,
            env=child_environment(self._part_settings()),
            start_new_session=True,
        )

    def _part_settings(self) -> Settings:
        """The parts see a Ray of our own as a configured one; its workers have the packages of this machine."""
        own_ray = self._settings.ray_address is None
        return self._settings.model_copy(update={"ship_code": False}) if own_ray else self._settings

    def _tend(self) -> None:
        head_died = self._head is not None and not self._head.is_alive()
        if head_died and self._head is not None:
            log.warning("the Ray head has died: starting another")
            self._stop_part("runner")
            self._head.stop(self._settings)
        if head_died or self._parts["runner"].poll() is not None:
            self._stopping.wait(RESTART_SECONDS)
            if not head_died and self._head is not None:
                self._start_part("runner", "--ray-address", self._head.address)
            else:
                self._start_runner()
        if self._parts["api"].poll() is not None:
            log.warning("the API has died: starting it again", code=self._parts["api"].returncode)
            self._stopping.wait(RESTART_SECONDS)
            self._start_part("api")

    def _await_ready(self, on_ready: Callable[[], None]) -> None:
        url = f"http://{self._settings.host}:{self._settings.port}/readyz"
        deadline = time.monotonic() + READY_SECONDS
        while not self._stopping.is_set() and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(url, timeout=5):
                    on_ready()
                    return
            except (urllib.error.URLError, OSError):
                self._stopping.wait(0.1)

    def _stop_part(self, name: str) -> None:
        part = self._parts[name]
        part.terminate()
        try:
            part.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            log.warning("a part did not stop by itself", part=name)
        ray_cluster.kill_session(part.pid)
        part.wait()

    def _end(self) -> None:
        for name in self._parts:
            self._stop_part(name)
        if self._head is not None:
            self._head.stop(self._settings)


def tie_to_parent() -> None:
    """End this process with SIGTERM when its standard input ends: its supervisor is gone, however it went."""

    def watch() -> None:
        while os.read(0, 4096):  # not sys.stdin: a thread that holds its lock breaks the interpreter's end
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="tie").start()
