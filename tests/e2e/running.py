"""A service in processes of its own, driven over HTTP as a user would, and the means to kill parts of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from service.ray_cluster import free_port, session_members

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 300.0
JOB_SECONDS = 180.0
ENDED = ("succeeded", "failed", "cancelled", "paused")


def wait_until(holds: Callable[[], Any], seconds: float, what: str) -> Any:
    """Poll until `holds` answers something true; the deadline is far beyond what is expected."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := holds():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds:g} s")


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def descendants(pid: int) -> list[int]:
    """List the living processes below one."""
    parents = {int(entry.name): _parent(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    found, front = [], [pid]
    while front:
        front = [child for child, parent in parents.items() if parent in front]
        found += front
    return found


@dataclass
class Running:
    """One `python -m service up`."""

    process: subprocess.Popen[bytes]
    url: str
    data_dir: Path
    _undisturbed: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60)

    def get(self, path: str, **params: Any) -> Any:
        answer = httpx.get(self.url + path, params=params, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def submit(self, spec: dict[str, Any]) -> str:
        answer = httpx.post(f"{self.url}/v1/jobs", json=spec, timeout=60)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        return dict(self.get(f"/v1/jobs/{job_id}"))

    def finish(self, job_id: str, seconds: float = JOB_SECONDS) -> dict[str, Any]:
        """Wait for the job's end."""
        wait_until(lambda: self.job(job_id)["state"] in ENDED, seconds, f"job {job_id} ended")
        return self.job(job_id)

    def undisturbed(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Run a spec to its end in peace, once for all tests that compare with it."""
        key = json.dumps(spec, sort_keys=True)
        if key not in self._undisturbed:
            self._undisturbed[key] = self.finish(self.submit(spec))
        return self._undisturbed[key]

    def reach(self, job_id: str, epochs: int) -> None:
        """Wait until the job has trained so many epochs in all."""
        wait_until(lambda: self.job(job_id)["progress"]["epochs"] >= epochs, JOB_SECONDS, f"job {job_id} trains")

    def outcome(self, job_id: str) -> dict[str, Any]:
        """All that must be the same from run to run: trials, reports, best, the winner's weights; no times, no ids."""
        trials = self.get(f"/v1/jobs/{job_id}/trials", order="number", limit=1000)["items"]
        reports = {}
        for trial in trials:
            rows = self.get(f"/v1/jobs/{job_id}/trials/{trial['number']}/reports", limit=1000)["items"]
            reports[trial["number"]] = [_timeless(row) for row in rows]
        best = self.get(f"/v1/jobs/{job_id}/best")
        weights = httpx.get(f"{self.url}/v1/models/{best['model']['id']}/download", params={"format": "safetensors"})
        assert weights.status_code == 200, weights.text
        return {
            "state": self.job(job_id)["state"],
            "trials": [_timeless(trial) for trial in trials],
            "reports": reports,
            "best": best["trial"]["number"],
            "metrics": (best["model"]["metrics"], best["model"]["test_metrics"]),
            "weights": weights.content,
        }

    def events(self, job_id: str) -> list[dict[str, Any]]:
        """List a job's events so far."""
        path = f"{self.url}/v1/jobs/{job_id}/events"
        answer = httpx.get(path, params={"limit": 500}, headers={"accept": "application/json"}, timeout=60)
        return list(answer.json()["items"])

    def part_pid(self, words: str) -> int:
        """Find a process of this service by words of its command line."""
        return next(pid for pid in descendants(self.process.pid) if words in command_line(pid))

    def driver_pids(self) -> list[int]:
        return [pid for pid in descendants(self.process.pid) if "service driver" in command_line(pid)]

    def driver_pid(self, job_id: str) -> int:
        """Find the driver that a job was last handed to, by the runner's log."""
        log = (self.data_dir.parent / f"{self.data_dir.name}.log").read_text()
        facts = [_read_fact(line) for line in log.splitlines() if job_id in line]
        return [int(fact["driver"]) for fact in facts if fact.get("job") == job_id and "driver" in fact][-1]

    def actor_pids(self) -> list[int]:
        session = json.loads((self.data_dir / "ray-head.json").read_text())["session"]
        return [pid for pid in session_members(session) if command_line(pid).startswith("ray::PackActor")]

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        self.process.send_signal(with_signal)
        return self.process.wait(60)


def _read_fact(line: str) -> dict[str, Any]:
    try:
        return dict(json.loads(line))
    except ValueError:
        return {}


def _timeless(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not key.endswith("_at") and key not in ("seconds", "round")}


def start_service(data_dir: Path, *arguments: str, cwd: Path | None = None) -> Running:
    """Start everything in one command and wait until it is ready."""
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    log = (data_dir.parent / f"{data_dir.name}.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "up", "--port", str(port), "--data-dir", str(data_dir), *arguments],
        cwd=cwd or data_dir.parent,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    running = Running(process, f"http://127.0.0.1:{port}", data_dir)

    def is_ready() -> bool:
        assert process.poll() is None, f"the service ended: {Path(log.name).read_text()[-3000:]}"
        try:
            return httpx.get(f"{running.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_until(is_ready, START_SECONDS, "the service is ready")
    except AssertionError:
        running.stop()
        raise
    return running
