"""Parts are killed half way, and the result is that of an undisturbed run, bit for bit."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.e2e.running import Running, start_service, wait_until
from tests.e2e.specs import PAIRS, job_spec, long_job_spec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def _kill_driver(service: Running, job_id: str) -> None:
    os.kill(service.driver_pid(job_id), signal.SIGKILL)


def _kill_worker(service: Running, _: str) -> None:
    os.kill(service.actor_pids()[0], signal.SIGKILL)


def _kill_all_workers(service: Running, _: str) -> None:
    for pid in service.actor_pids():
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("kill", [_kill_driver, _kill_worker, _kill_all_workers])
@pytest.mark.parametrize(("algorithm", "scheduler"), PAIRS)
def test_a_kill_half_way_changes_nothing(
    service: Running, algorithm: str, scheduler: str, kill: Callable[[Running, str], None]
) -> None:
    spec = long_job_spec(algorithm, scheduler)
    undisturbed = service.undisturbed(spec)
    disturbed = service.submit(spec)
    service.reach(disturbed, undisturbed["progress"]["epochs"] // 3)
    kill(service, disturbed)
    assert service.job(disturbed)["state"] in ("running", "queued"), "the kill came too late to mean anything"
    assert service.finish(disturbed)["state"] == "succeeded"
    assert service.outcome(disturbed) == service.outcome(undisturbed["id"])


def test_a_driver_that_wakes_after_its_lease_has_passed_on_changes_nothing(data_dir: Path) -> None:
    service = start_service(data_dir)
    try:
        spec = long_job_spec("random", "pbt")
        undisturbed = service.undisturbed(spec)
        disturbed = service.submit(spec)
        service.reach(disturbed, 40)
        frozen, runner = service.driver_pid(disturbed), service.part_pid("service runner")
        os.kill(frozen, signal.SIGSTOP)
        os.kill(runner, signal.SIGKILL)  # its successor claims the job once the frozen driver's lease has run out
        wait_until(lambda: "silent" in str(service.events(disturbed)), 120, "the job is claimed by another runner")
        os.kill(frozen, signal.SIGCONT)
        assert service.finish(disturbed)["state"] == "succeeded"
        assert service.outcome(disturbed) == service.outcome(undisturbed["id"])
    finally:
        service.stop()


@pytest.mark.parametrize(("algorithm", "scheduler"), PAIRS)
def test_the_number_of_workers_changes_nothing(
    services_by_workers: list[Running], algorithm: str, scheduler: str
) -> None:
    spec = job_spec(algorithm, scheduler)
    outcomes = []
    for service in services_by_workers:
        job_id = service.submit(spec)
        service.finish(job_id)
        outcomes.append(service.outcome(job_id))
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_the_api_can_die_while_a_job_runs(service: Running) -> None:
    job_id = service.submit(long_job_spec("random", "asha"))
    service.reach(job_id, 10)
    os.kill(service.part_pid("service api"), signal.SIGKILL)

    def answers() -> bool:
        try:
            return httpx.get(service.url + "/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    wait_until(answers, 60, "the API is back")
    assert service.finish(job_id)["state"] == "succeeded"


def test_the_runner_can_die_while_a_job_runs(service: Running) -> None:
    spec = long_job_spec("random", "hyperband")
    undisturbed = service.undisturbed(spec)
    job_id = service.submit(spec)
    service.reach(job_id, 30)
    os.kill(service.part_pid("service runner"), signal.SIGKILL)
    assert service.finish(job_id)["state"] == "succeeded"
    assert service.outcome(job_id) == service.outcome(undisturbed["id"])


def test_ray_itself_can_die_while_a_job_runs(data_dir: Path) -> None:
    service = start_service(data_dir)
    try:
        job_id = service.submit(long_job_spec("random", "fifo"))
        service.reach(job_id, 20)
        os.kill(service.part_pid("gcs_server"), signal.SIGKILL)
        assert service.finish(job_id, 400)["state"] == "succeeded"
    finally:
        service.stop()


@pytest.mark.parametrize(("algorithm", "scheduler"), [("random", "asha"), ("hyperopt", "asha")])
def test_a_driver_that_dies_applies_an_edit_where_it_took_effect(
    service: Running, algorithm: str, scheduler: str
) -> None:
    # So many trials that some have not begun when the edit comes, however slow the machine is.
    budget = {"trials": 96, "epochs_per_trial": 27}
    job_id = service.submit(long_job_spec(algorithm, scheduler) | {"parallelism": 4, "budget": budget})
    service.reach(job_id, 20)
    narrow = {"learning_rate": {"low": 0.011, "high": 0.012}}
    answer = service.http.post(f"/v1/jobs/{job_id}/edit", json={"space": narrow})
    assert answer.status_code == 200, answer.text
    wait_until(lambda: service.job(job_id)["edits"][0]["round"] is not None, 60, "the edit takes effect")
    asked = service.job(job_id)["edits"]
    _kill_driver(service, job_id)
    assert service.job(job_id)["state"] in ("running", "queued"), "the kill came too late to mean anything"
    assert service.finish(job_id)["state"] == "succeeded", "the replay took the same decisions, or it had failed"
    assert service.job(job_id)["edits"] == asked
    notes = [event["data"]["message"] for event in service.events(job_id) if event["data"].get("code") == "edit"]
    begun = int(notes[0].split("from trial ")[1].split(" ")[0])
    trials = service.get(f"/v1/jobs/{job_id}/trials", order="number", limit=1000)["items"]
    assert 0 < begun < len(trials)
    assert all(0.011 <= trial["parameters"]["learning_rate"] <= 0.012 for trial in trials[begun:])
