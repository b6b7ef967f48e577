"""Ray underneath: starting a head in a session of its own, ending all of it, reaping what a crash left, connecting."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from service.settings import Settings, child_environment, export_ray_environment

HEAD_SECONDS = 120.0
HEAD_TRIES = 3
"""Within these seconds. Ray gives its own parts 30 each to come up, too little on a busy machine now and then."""
PROBE_SECONDS = 2.0
OBJECT_STORE_BYTES = 512 * 2**20
ROOT = Path(__file__).resolve().parent.parent


class RayUnreachable(RuntimeError):
    """Nobody listens at Ray's address, or the head did not come up."""


@dataclass(frozen=True)
class Head:
    """A running head: its address, and what must be ended with it. `session` is the process session of all its parts:
    Ray's workers leave the process group, and outlive the head, but stay in the session."""

    address: str
    session: int
    temp_dir: str

    def is_alive(self) -> bool:
        return Path(f"/proc/{self.session}/stat").exists() and not _is_zombie(self.session)

    def stop(self, settings: Settings) -> None:
        """End every process of the session and forget its files."""
        kill_session(self.session)
        shutil.rmtree(self.temp_dir, ignore_errors=True)
        _state_file(settings).unlink(missing_ok=True)


def start_head(settings: Settings) -> Head:
    """Start a Ray head for this data directory, after reaping a stale one.

    Raises: RayUnreachable.
    """
    reap_stale(settings)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    export_ray_environment(settings)  # the head asks for this data directory's token, whatever was exported before
    deadline = time.monotonic() + HEAD_SECONDS
    for _ in range(HEAD_TRIES):
        head = _try_head(settings, deadline)
        if head is not None:
            return head
        if time.monotonic() > deadline:
            break
    log = settings.data_dir / "ray.log"
    raise RayUnreachable(f"the Ray head did not come up; its output is in {log} and ends with: {_last_lines(log)}")


def _try_head(settings: Settings, deadline: float) -> Head | None:
    """Start a Ray head and wait until all of it is up; None where it ended or the time is over."""
    temp_dir = tempfile.mkdtemp(prefix="regatta-ray-")  # sockets need a short path, so not in the data directory
    command = [
        str(Path(sys.executable).with_name("ray")),
        *("start", "--head", "--block", "--disable-usage-stats", "--include-dashboard=false"),
        *("--include-log-monitor=false", "--node-ip-address=127.0.0.1", f"--temp-dir={temp_dir}"),
        *(f"--num-cpus={os.cpu_count() or 1}", f"--object-store-memory={OBJECT_STORE_BYTES}"),
        # Every part takes a free port by itself: one chosen here could be gone by then.
        *("--port=0", "--dashboard-agent-listen-port=0", "--metrics-export-port=0"),
    ]
    with (settings.data_dir / "ray.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=child_environment(settings),
        )
    head = Head("", process.pid, temp_dir)
    _state_file(settings).write_text(json.dumps(asdict(head)))  # already now, for who reaps after a crash
    while process.poll() is None and time.monotonic() < deadline:
        port = _told_port(temp_dir)
        if port:
            head = replace(head, address=f"127.0.0.1:{port}")
            _state_file(settings).write_text(json.dumps(asdict(head)))
            return head
        time.sleep(0.05)
    head.stop(settings)
    return None


def _told_port(temp_dir: str) -> str:
    """Read the port of the address that Ray leaves when all parts of a head are up; empty before."""
    try:
        return (Path(temp_dir) / "ray_current_cluster").read_text().strip().rpartition(":")[2]
    except FileNotFoundError:
        return ""


def _last_lines(log: Path, lines: int = 5) -> str:
    return " | ".join(log.read_text(errors="replace").strip().splitlines()[-lines:])


def reap_stale(settings: Settings) -> None:
    """End what an earlier head of this data directory has left behind."""
    state = _state_file(settings)
    if not state.exists():
        return
    head = Head(**json.loads(state.read_text()))
    if any(head.temp_dir in _command_line(pid) for pid in session_members(head.session)):
        head.stop(settings)
    state.unlink(missing_ok=True)


def connect(address: str, ship_code: bool = False) -> None:
    """Connect this process to Ray. A dead head would block `ray.init` for a minute, so its port is tried first.

    With `ship_code`, what this process starts on other nodes finds the packages of this checkout there.
    Raises: RayUnreachable.
    """
    import ray

    from workers.ray_seat import NAMESPACE

    if not is_listening(address, PROBE_SECONDS):
        raise RayUnreachable(f"nobody listens at {address}")
    packages = shipped_packages() if ship_code else None
    ray.init(address=address, namespace=NAMESPACE, runtime_env=packages, log_to_driver=False, logging_level="ERROR")


def shipped_packages() -> dict[str, list[str]]:
    """Name the packages that a pack actor imports, as Ray's runtime environment wants them."""
    return {"py_modules": [str(ROOT / name) for name in ("models", "search", "workers")]}


def is_listening(address: str, seconds: float) -> bool:
    """Try for so long whether somebody takes connections at host:port."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=seconds).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """Find a port that is free right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kill_session(session: int) -> None:
    """Kill every process of a session, until none is left."""
    for _ in range(50):
        members = session_members(session)
        if not members:
            return
        for pid in members:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.05)


def session_members(session: int) -> list[int]:
    """List the processes of a session that are no zombies."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        fields = _stat_fields(int(entry.name))
        if len(fields) > 3 and fields[0] != "Z" and int(fields[3]) == session:
            found.append(int(entry.name))
    return found


def _stat_fields(pid: int) -> list[str]:
    """Read state, parent, group, session, ... of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _is_zombie(pid: int) -> bool:
    fields = _stat_fields(pid)
    return not fields or fields[0] == "Z"


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _state_file(settings: Settings) -> Path:
    return settings.data_dir / "ray-head.json"
