"""docker-compose.yml, without Docker: its commands run as processes of this machine, on a real PostgreSQL and Ray."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from examples.numpy_model import NumpyModel
from service.ray_cluster import free_port, is_listening, kill_session, session_members
from tests.conftest import MakeUrl
from tests.e2e.running import Running, command_line, wait_until

ROOT = Path(__file__).resolve().parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
START_SECONDS = 300.0


def test_only_the_api_is_published_and_only_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"api": ["127.0.0.1:8000:8000"]}


def test_every_part_that_lasts_has_a_health_check_and_every_start_waits_for_what_it_needs() -> None:
    image = (ROOT / "Dockerfile").read_text()
    assert "HEALTHCHECK" in image
    lasting = {name for name, service in SERVICES.items() if service.get("restart") != "no"}
    assert {"postgres", "runner", "ray-head", "ray-worker"} <= {
        name for name in lasting if "healthcheck" in SERVICES[name]
    }
    needs = {name: set(service.get("depends_on", {})) for name, service in SERVICES.items()}
    assert needs["migrate"] == {"postgres"}
    assert needs["api"] == {"migrate"}
    assert needs["runner"] == {"migrate", "ray-worker"}
    assert needs["ray-worker"] == needs["ray-worker-gpu"] == {"ray-head"}


def test_nothing_runs_as_root_and_only_the_gpu_profile_asks_for_gpus() -> None:
    image = (ROOT / "Dockerfile").read_text().splitlines()
    assert "USER regatta" in image
    assert image.index("USER regatta") < next(i for i, line in enumerate(image) if line.startswith("CMD"))
    assert not any("user" in service or service.get("privileged") for service in OURS.values())
    assert [name for name, service in SERVICES.items() if "deploy" in service] == ["ray-worker-gpu"]
    assert SERVICES["ray-worker-gpu"]["profiles"] == ["gpu"]


def test_the_image_has_its_kernels_compiled_by_the_user_that_runs_them() -> None:
    image = (ROOT / "Dockerfile").read_text()
    assert image.index("COPY models") < image.index("USER regatta") < image.index("warm_up()")


def test_the_image_holds_what_the_parts_import() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    image = (ROOT / "Dockerfile").read_text()
    for name in ("search", "models", "workers", "service", "migrations"):
        assert f"!{name}" in ignored
        assert f"COPY {name} {name}" in image


@dataclass
class Deployment:
    """The parts of docker-compose.yml as processes; names of hosts, ports and volumes are replaced by local ones."""

    folder: Path
    database_url: str
    api_port: int = field(default_factory=free_port)
    ray_port: int = field(default_factory=free_port)
    parts: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start a part in a session of its own, so that all it starts can be ended with it."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.parts[name] = subprocess.Popen(
                self._command(name),
                cwd=self.folder,
                env=self._environment(name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self.parts[name]

    def finish(self, name: str) -> None:
        """Run a part that runs once."""
        code = self.start(name).wait(START_SECONDS)
        assert code == 0, self.log(name)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def logs(self) -> str:
        return "\n".join(f"--- {name}, {part.poll()}\n{self.log(name)}" for name, part in self.parts.items())

    def stop(self) -> None:
        """End every process of every part."""
        for part in reversed(self.parts.values()):
            part.terminate()
        for part in self.parts.values():
            try:
                part.wait(15)
            except subprocess.TimeoutExpired:
                part.kill()
                part.wait()
            kill_session(part.pid)

    def leftovers(self) -> list[str]:
        return [command_line(pid) for part in self.parts.values() for pid in session_members(part.pid)]

    def _command(self, name: str) -> list[str]:
        words = [self._localise(str(word)) for word in SERVICES[name]["command"]]
        if words[0] == "sh":
            words[2] = words[2].replace("ray start", f"ray start {' '.join(self._ray_options())}", 1)
        elif words[0] == "ray":
            words += self._ray_options()
        return words

    def _environment(self, name: str) -> dict[str, str]:
        given = {key: self._localise(str(value)) for key, value in SERVICES[name]["environment"].items()}
        image = {"PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        return {**os.environ, **image, **given, "REGATTA_DATABASE_URL": self.database_url}

    def _localise(self, text: str) -> str:
        for there, here in {
            "$$": "$",
            "ray-head:6379": f"127.0.0.1:{self.ray_port}",
            "--port=6379": f"--port={self.ray_port}",
            "0.0.0.0": "127.0.0.1",
            "/data": str(self.folder / "data"),
        }.items():
            text = text.replace(there, here)
        return str(self.api_port) if text == "8000" else text

    def _ray_options(self) -> list[str]:
        """What several nodes on one machine need, and containers do not."""
        ports = [f"--{name}={free_port()}" for name in ("dashboard-agent-listen-port", "metrics-export-port")]
        return ["--node-ip-address=127.0.0.1", f"--object-store-memory={128 * 2**20}", *ports]


@contextmanager
def deployed(folder: Path, database_url: str) -> Iterator[Deployment]:
    """Start the parts in the order in which Compose would."""
    (folder / "data").mkdir(parents=True)
    deployment = Deployment(folder, database_url)
    try:
        deployment.finish("token")
        deployment.finish("migrate")
        deployment.start("ray-head")
        address = f"127.0.0.1:{deployment.ray_port}"
        wait_until(lambda: is_listening(address, 1.0), START_SECONDS, "the Ray head listens")
        worker = deployment.start("ray-worker")
        wait_until(lambda: _has_raylet(worker.pid), START_SECONDS, "the Ray worker has joined")
        api, runner = deployment.start("api"), deployment.start("runner")
        url = f"http://127.0.0.1:{deployment.api_port}"

        def is_ready() -> bool:
            assert {part.poll() for part in (api, runner, worker)} == {None}, deployment.logs()
            try:
                return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
            except httpx.TransportError:
                return False

        try:
            wait_until(is_ready, START_SECONDS, "the deployment is ready")
        except AssertionError as late:
            raise AssertionError(deployment.logs()) from late
        yield deployment
    finally:
        deployment.stop()


def _has_raylet(session: int) -> bool:
    return any("raylet" in command_line(pid).split(" ", 1)[0] for pid in session_members(session))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_parts_together_race_a_job_and_leave_nothing_behind(
    tmp_path: Path, make_postgresql_database: MakeUrl
) -> None:
    with deployed(tmp_path / "deployment", make_postgresql_database()) as deployment:
        token = deployment.folder / "data" / "ray-token"
        assert token.stat().st_mode & 0o077 == 0
        api = Running(deployment.parts["api"], f"http://127.0.0.1:{deployment.api_port}", deployment.folder / "data")
        table = "x,y\n" + "\n".join(f"{n / 50},{(n / 50) ** 2}" for n in range(200))
        upload = httpx.post(f"{api.url}/v1/datasets", files={"file": ("square.csv", table)}, timeout=60)
        assert upload.status_code == 201, upload.text
        spec = {"dataset": upload.json()["id"], "target": "y", "budget": {"trials": 8, "epochs_per_trial": 9}}
        job = api.finish(api.submit(spec))
        assert job["state"] == "succeeded", (job, deployment.log("runner"))
        model = api.get(f"/v1/jobs/{job['id']}/best")["model"]
        answer = httpx.post(f"{api.url}/v1/models/{model['id']}/predict", json={"rows": [{"x": 1.5}]}, timeout=60)
        package = httpx.get(f"{api.url}/v1/models/{model['id']}/download", timeout=60).content
        by_hand = NumpyModel(package).predict([{"x": 1.5}])[0]
        assert answer.json()["predictions"] == pytest.approx(by_hand, rel=1e-4)
    assert deployment.leftovers() == []
