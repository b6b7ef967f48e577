"""Regatta in a minute: starts the service, races a real job, shows it live, fetches the best model, predicts with it.

Run it by `make demo`. It keeps its data in a temporary directory and leaves nothing behind.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy_model import NumpyModel
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from service_client import Event, ServiceClient

ROOT = Path(__file__).resolve().parents[1]
READY_SECONDS = 120.0
STOP_SECONDS = 30.0
console = Console(soft_wrap=True)


@contextmanager
def running_service() -> Iterator[ServiceClient]:
    """Start everything in one command on a free port; end all of it, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="regatta-demo-") as folder:
        log_path = Path(folder) / "service.log"
        command = [sys.executable, "-m", "service", "up", "--port", str(free_port()), "--data-dir", folder]
        with log_path.open("wb") as log:
            process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            client = ServiceClient(f"http://127.0.0.1:{command[command.index('--port') + 1]}")
            await_ready(process, client, log_path)
            yield client
        finally:
            stop(process)


def await_ready(process: subprocess.Popen[bytes], client: ServiceClient, log_path: Path) -> None:
    """Wait until the service takes jobs. Raises: SystemExit with the end of its log."""
    deadline = time.monotonic() + READY_SECONDS
    while not client.is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"the service did not start:\n{log_path.read_text()[-2000:]}")
        time.sleep(0.1)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the service to end as Ctrl-C would; insist if it does not."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """Find a port that is free right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Race:
    """What is known of a job from its events."""

    planned: int
    trials: dict[int, dict[str, Any]] = field(default_factory=dict)
    best: dict[int, float] = field(default_factory=dict)
    progress: dict[str, Any] = field(default_factory=dict)
    state: str = "queued"

    def hear(self, event: Event) -> None:
        """Take in one event."""
        if event.type == "job":
            self.state, self.progress = event.data["state"], event.data["progress"]
        elif event.type == "trial":
            self.trials[event.data["number"]] = event.data
        elif event.type == "reports":
            for row in event.data["rows"]:
                report = dict(zip(event.data["columns"], row, strict=True))
                trial, value = report["trial"], report["objective"]
                if value is not None:
                    self.best[trial] = min(value, self.best.get(trial, value))

    def draw(self, bar: Progress) -> Group:
        """Show the leaders and how far the job is."""
        bar.update(bar.task_ids[0], completed=self.progress.get("done", 0), total=self.planned)
        leaders = sorted(self.best, key=lambda number: (self.best[number], number))[:8]
        rows = [(number, self.best[number], self.trials.get(number, {})) for number in leaders]
        return Group(draw_leaders(rows), bar)


def draw_leaders(rows: list[tuple[int, float, dict[str, Any]]]) -> Table:
    """Draw trials, best first, with the parameters they were drawn with."""
    table = Table(title="leaderboard", title_justify="left")
    for name in ("trial", "log loss", "state", "parameters"):
        table.add_column(name, justify="right" if name in ("trial", "log loss") else "left")
    for number, value, trial in rows:
        table.add_row(str(number), f"{value:.4f}", trial.get("state", ""), show_parameters(trial.get("parameters", {})))
    return table


def show_parameters(parameters: dict[str, Any]) -> str:
    """Write a point on one line."""
    return "  ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in parameters.items())


def watch(client: ServiceClient, job: dict[str, Any]) -> None:
    """Follow a job to its end, live. Raises: SystemExit if it did not succeed."""
    race = Race(planned=job["progress"]["trials"])
    columns = TextColumn("trials"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    bar = Progress(*columns, console=console)
    bar.add_task("trials", total=race.planned)
    with Live(race.draw(bar), console=console, refresh_per_second=8) as live:
        for event in client.follow(job["id"]):
            race.hear(event)
            live.update(race.draw(bar))
    console.print()
    ended = client.get(f"/v1/jobs/{job['id']}")
    if ended["state"] != "succeeded":
        raise SystemExit(f"the job has {ended['state']}: {ended['reason']} {ended['detail']}")


def show_best(client: ServiceClient, job_id: str) -> None:
    """Fetch the best model, predict with it over HTTP and with numpy alone, and compare."""
    best = client.get(f"/v1/jobs/{job_id}/best")
    model, trial = best["model"], best["trial"]
    console.print(f"best: trial {trial['number']}, epoch {trial['best_epoch']}: {show_parameters(trial['parameters'])}")
    console.print("test: " + ", ".join(f"{name} {value:.4f}" for name, value in model["test_metrics"].items()))
    row = client.get(f"/v1/models/{model['id']}")["card"]["example"]["row"]
    answer = client.post(f"/v1/models/{model['id']}/predict", {"rows": [row]})["predictions"][0]
    by_hand = NumpyModel(client.download(model["id"])).predict([row])[0]
    if not np.allclose(by_hand, answer["probabilities"], rtol=1e-5, atol=1e-6):
        raise SystemExit("the downloaded model and the service disagree")
    console.print(
        f"predicted: {answer['label']} with probability {max(answer['probabilities']):.3f}, "
        "the same from the downloaded package with numpy alone"
    )


def main() -> None:
    """Show what Regatta does."""
    console.print("starting the service: API, runner, Ray, SQLite ...")
    with running_service() as client:
        job = client.post("/v1/jobs", json.loads((ROOT / "examples" / "demo.json").read_text()))
        address = f"{client.url}/#/jobs/{job['id']}"
        console.print(f"job {job['id']}: {job['progress']['trials']} trials; dashboard: {address}")
        watch(client, job)
        show_best(client, job["id"])
        console.print(f"the dashboard of this job was {address}; `make up` keeps a service running")
    console.print("the service has stopped")


if __name__ == "__main__":
    main()
