"""`python -m service up`: starts from anywhere, ends without leaving anything behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from service.ray_cluster import session_members
from tests.e2e.running import ROOT, Running, command_line, descendants, start_service, wait_until

pytestmark = pytest.mark.timeout(600)


def _everything_of(service: Running) -> set[int]:
    session = json.loads((service.data_dir / "ray-head.json").read_text())["session"]
    return {*descendants(service.process.pid), *session_members(session)}


def _alive(pids: set[int]) -> list[str]:
    return [command_line(pid) for pid in pids if command_line(pid)]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything(data_dir: Path, how: signal.Signals) -> None:
    service = start_service(data_dir)
    pids = _everything_of(service)
    assert len(pids) > 6
    assert service.stop(how) == 0
    wait_until(lambda: not _alive(pids), 30, "nothing is left")
    assert not (data_dir / "ray-head.json").exists()


@pytest.mark.slow
def test_what_a_killed_service_left_is_reaped_by_the_next(data_dir: Path) -> None:
    first = start_service(data_dir)
    pids = _everything_of(first)
    first.process.kill()
    first.process.wait()
    second = start_service(data_dir)
    try:
        wait_until(lambda: not _alive(pids), 60, "the first service's processes are gone")
    finally:
        second.stop()


@pytest.mark.slow
@pytest.mark.parametrize(
    "credentials", [{}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}], ids=["no", "wrong"]
)
def test_the_token_is_private_and_ray_answers_nobody_without_it(service: Running, credentials: dict[str, str]) -> None:
    token = service.data_dir / "ray-token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    address = json.loads((service.data_dir / "ray-head.json").read_text())["address"]
    code = (
        "import ray, sys\n"
        f"ray.init(address='{address}', log_to_driver=False, logging_level='CRITICAL')\n"
        "print('connected', ray.cluster_resources())\n"
    )
    stranger = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    answer = subprocess.run(
        [sys.executable, "-c", code], env=stranger | credentials, capture_output=True, text=True, timeout=120, cwd="/"
    )
    assert "connected" not in answer.stdout
    assert answer.returncode != 0


def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "service", "up", "--port", port, "--data-dir", str(tmp_path / "data")]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert answer.returncode == 1
    assert f"port {port}" in answer.stderr
    assert not (tmp_path / "data").exists()


def test_doctor_says_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "no-directory"
    file.write_text("")
    command = [sys.executable, "-m", "service", "doctor", "--data-dir", str(file / "data"), "--port", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert answer.returncode == 1
    assert "FAIL  data directory" in answer.stdout
    command[5] = str(tmp_path / "data")
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert answer.returncode == 0, answer.stdout


def test_the_dashboard_answers_at_the_root(service: Running) -> None:
    page = httpx.get(service.url + "/", timeout=30)
    assert page.status_code == 200
    assert "<title>" in page.text


@pytest.mark.slow
def test_nodes_of_a_foreign_ray_get_the_packages_sent(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from service import ray_cluster\n"
        "import ray\n"
        "ray.init('local', num_cpus=1, include_dashboard=False, runtime_env=ray_cluster.shipped_packages())\n"
        "def where():\n"
        "    import workers.pack_host as host\n"
        "    return host.SOURCE_HASH, host.__file__\n"
        "there = ray.get(ray.remote(where).remote(), timeout=100)\n"
        "here = where()\n"
        "assert there[0] == here[0] and there[1] != here[1], (there, here)\n"
        "print('sent')\n"
    )
    bare = {key: value for key, value in os.environ.items() if key != "PYTHONPATH" and not key.startswith("RAY_")}
    answer = subprocess.run(
        [sys.executable, "-c", code], env=bare, cwd=tmp_path, capture_output=True, text=True, timeout=200
    )
    assert "sent" in answer.stdout, answer.stderr[-3000:]
