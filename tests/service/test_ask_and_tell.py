"""Ask and tell over a real socket, on both databases, with the driver of every job."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from service import inbox
from service.database import Database
from service.settings import Settings, child_environment
from service.told_tables import Hold
from tests.e2e.running import wait_until
from tests.service.outside import Client, await_state, driving, job_of, loss, submit, trials_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def http(api: httpx.Client, settings: Settings) -> Iterator[httpx.Client]:
    """An API beside which a driver runs."""
    with driving(settings):
        yield api


def run_out(database: Database, job: str, trial: int) -> None:
    """Let the lease of a trial run out."""
    with database.writing() as session:
        session.execute(update(Hold).where(Hold.job_id == job, Hold.trial == trial).values(expires_at=1.0))


def test_clients_at_once_train_every_trial_once(http: httpx.Client) -> None:
    job = submit(http, budget={"trials": 20, "epochs_per_trial": 3}, parallelism=4)
    clients = [Client(http, job, f"worker-{n}") for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda client: client.work(loss), clients))
    assert sum(counts) == 60
    assert all(counts), "a client got no work"
    shown = await_state(http, job, "succeeded")
    assert shown["progress"] | {"seconds": 0} == {"trials": 20, "done": 20, "epochs": 60, "seconds": 0}
    trials = trials_of(http, job)
    assert [trial["reason"] for trial in trials] == ["epochs_done"] * 20
    for trial in trials:
        assert trial["objective"] == loss(trial["parameters"], 3)
        assert ("degree" in trial["parameters"]) == (trial["parameters"]["kernel"] == "poly")
    winner = http.get(f"/v1/jobs/{job}/best").json()
    assert winner["trial"]["objective"] == min(trial["objective"] for trial in trials)
    assert winner["model"] is None
    assert http.get(f"/v1/jobs/{job}/models").json()["items"] == []
    assert shown["dataset"] is None
    assert shown["best"] == {
        "trial": winner["trial"]["number"],
        "objective": winner["trial"]["objective"],
        "model": None,
    }


def test_several_objectives_and_limits_of_what_is_told(http: httpx.Client) -> None:
    wishes = [{"name": "loss", "maximize": False}, {"name": "hits", "maximize": True}]
    job = submit(http, objective=wishes, limits=[{"metric": "seconds", "at_most": 3}], scheduler={"kind": "asha"})
    client = Client(http, job)
    path = f"/trials/{client.one()['trial']}/tell"
    refused = client.post(path, step=1, values={"loss": 1.0, "hits": 2.0})
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "values.seconds")
    while not (answer := client.ask(wait_seconds=2))["ended"]:
        for trial in answer["trials"]:
            number, rate = trial["trial"], trial["parameters"]["learning rate"]
            client.tell(number, step=3, values={"loss": rate, "hits": rate, "seconds": 4.0 if number == 1 else 2.0})
    assert await_state(http, job, "succeeded")["best"]["trial"] != 1
    trials = {trial["number"]: trial for trial in trials_of(http, job)}
    assert trials[1]["broken"] == {"seconds": 1.0}
    assert [number for number, trial in trials.items() if trial["front"]] == [0, 2, 3], "more hits cost more"


def test_who_comes_back_gets_the_same_trials_and_others_get_others(http: httpx.Client) -> None:
    job = submit(http, parallelism=3)
    one, two = Client(http, job, "one"), Client(http, job, "two")
    first = one.one()
    assert first["parameters"].keys() >= {"seed", "learning rate", "kernel"}
    assert (first["step"], first["steps"]) == (0, 3)
    assert one.one()["trial"] == first["trial"]
    other = two.one()["trial"]
    assert other != first["trial"]
    both = [trial["trial"] for trial in one.ask(count=2)["trials"]]
    assert both == sorted({first["trial"], *both} - {other})
    assert len(both) == 2
    assert two.ask(count=3, wait_seconds=0)["trials"][0]["trial"] == other
    one.tell(first["trial"], step=2, values={"loss": 1.0, "seconds": 0.5})
    assert {t["trial"]: t["step"] for t in one.ask(count=2)["trials"]}[first["trial"]] == 2
    reports = http.get(f"/v1/jobs/{job}/trials/{first['trial']}/reports").json()["items"]
    assert [(r["epoch"], r["metrics"]) for r in reports] == [(2, {"loss": 1.0, "seconds": 0.5})]


def test_a_step_that_is_told_again_is_told_once(http: httpx.Client) -> None:
    job = submit(http)
    client = Client(http, job)
    trial = client.one()["trial"]
    for _ in range(3):
        answer = client.tell(trial, step=1, values={"loss": 0.5})
        assert answer == {"trial": trial, "step": 1, "action": "continue", "decided": True, "state": "running"}
    conflict = client.post(f"/trials/{trial}/tell", step=1, values={"loss": 0.6})
    assert (conflict.status_code, conflict.json()["type"]) == (409, "/problems/idempotency-conflict")
    for _ in range(2):
        assert client.tell(trial, step=3, values={"loss": 0.4})["action"] == "stop"
    for _ in range(2):
        assert client.tell(client.one()["trial"], error="it fell over")["state"] == "failed"
    assert job_of(http, job)["progress"]["epochs"] == 2
    failed = [t for t in trials_of(http, job) if t["state"] == "failed"]
    assert len(failed) == 2
    assert {t["error"]["message"] for t in failed} == {"it fell over"}
    assert client.tell(failed[0]["number"], error="it fell over")["action"] == "stop"


def test_asha_tells_clients_to_stop(http: httpx.Client) -> None:
    job = submit(http, scheduler={"kind": "asha"}, budget={"trials": 9, "epochs_per_trial": 9}, parallelism=1)
    n_tells = Client(http, job).work(loss)
    await_state(http, job, "succeeded")
    assert n_tells < 81
    reasons = [trial["reason"] for trial in trials_of(http, job)]
    assert {"scheduler_stopped", "epochs_done"} == set(reasons)


def test_hyperband_tells_clients_to_pause_and_hands_trials_out_again(http: httpx.Client) -> None:
    job = submit(http, scheduler={"kind": "hyperband"}, budget={"trials": 12, "epochs_per_trial": 9}, parallelism=None)
    client, steps, actions = Client(http, job), [], set()
    while not (given := client.ask())["ended"]:
        for trial in given["trials"]:
            steps.append(trial["step"])
            action = "continue"
            for step in range(trial["step"] + 1, trial["steps"] + 1):
                if action == "continue":
                    value = loss(trial["parameters"], step)
                    action = client.tell(trial["trial"], step=step, values={"loss": value})["action"]
                    actions.add(action)
    await_state(http, job, "succeeded")
    assert actions == {"continue", "pause", "stop"}
    assert {0, 3} <= set(steps)
    assert "scheduler_stopped" in {trial["reason"] for trial in trials_of(http, job)}


def test_a_final_value_ends_a_trial_early(http: httpx.Client) -> None:
    job = submit(http, scheduler=None, algorithm=None, budget={"trials": 3}, parallelism=1)
    client = Client(http, job)
    while not (given := client.ask())["ended"]:
        for trial in given["trials"]:
            answer = client.tell(trial["trial"], step=1, values={"loss": 1.0}, final=True)
            assert (answer["action"], answer["state"]) == ("stop", "completed")
    assert {trial["reason"] for trial in trials_of(http, job)} == {"told_final"}


def test_the_trial_of_a_client_that_dies_goes_to_another(http: httpx.Client, database: Database) -> None:
    job = submit(http, parallelism=1)
    dead, heir = Client(http, job, "dead"), Client(http, job, "heir")
    trial = dead.one()["trial"]
    dead.tell(trial, step=1, values={"loss": 0.5})
    assert heir.ask(wait_seconds=0)["trials"] == []
    run_out(database, job, trial)
    dead.tell(trial, step=2, values={"loss": 0.4})  # nobody has taken it: it is still welcome
    run_out(database, job, trial)
    again = heir.one()
    assert (again["trial"], again["step"]) == (trial, 2)
    for path, more in (
        (f"/trials/{trial}/tell", {"step": 3, "values": {"loss": 1}}),
        (f"/trials/{trial}/heartbeat", {}),
    ):
        late = dead.post(path, **more)
        assert (late.status_code, late.json()["type"]) == (409, "/problems/wrong-state")
        assert "not yours" in late.json()["detail"]
    assert heir.tell(trial, step=3, values={"loss": 0.3})["action"] == "stop"


def test_a_trial_of_which_three_clients_die_fails(http: httpx.Client, database: Database) -> None:
    job = submit(http, parallelism=1)
    for name in ("a", "b", "c"):
        assert Client(http, job, name).one()["trial"] == 0
        run_out(database, job, 0)
    assert Client(http, job, "d").one()["trial"] == 1
    (first, *_) = trials_of(http, job)
    assert (first["state"], first["error"]["kind"]) == ("failed", "LeaseExpired")


def test_a_heartbeat_keeps_a_trial(http: httpx.Client, database: Database) -> None:
    job = submit(http, parallelism=1)
    client = Client(http, job)
    given = client.one(lease_seconds=5)
    run_out(database, job, given["trial"])
    beat = client.post(f"/trials/{given['trial']}/heartbeat").json()
    assert beat["action"] == "continue"
    assert beat["lease_expires_at"] > given["lease_expires_at"]
    assert Client(http, job, "other").ask(wait_seconds=0)["trials"] == []


def test_a_job_that_waits_is_paused_resumed_and_cancelled(http: httpx.Client) -> None:
    job = submit(http)
    client = Client(http, job)
    trial = client.one()["trial"]
    client.tell(trial, step=1, values={"loss": 0.5})
    http.post(f"/v1/jobs/{job}/pause")
    await_state(http, job, "paused")
    told = client.tell(trial, step=2, values={"loss": 0.4})
    assert (told["action"], told["decided"]) == ("pause", False)
    assert client.ask(wait_seconds=0) == {"state": "paused", "ended": False, "trials": []}
    http.post(f"/v1/jobs/{job}/resume")
    given = client.one()
    assert (given["trial"], given["step"]) == (trial, 2), "what was told meanwhile is not lost"
    assert client.tell(trial, step=2, values={"loss": 0.4})["decided"]
    http.post(f"/v1/jobs/{job}/cancel")
    await_state(http, job, "cancelled")
    assert client.ask()["ended"]
    assert client.post(f"/trials/{trial}/heartbeat").json()["action"] == "stop"
    late = client.post(f"/trials/{trial}/tell", step=3, values={"loss": 0.3})
    assert (late.status_code, late.json()["type"]) == (409, "/problems/wrong-state")
    assert "has ended: cancelled" in late.json()["detail"]


def test_a_job_that_nobody_tells_gives_its_driver_to_others(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "PATIENCE_SECONDS", 0.3)
    first = submit(http, budget={"trials": 2, "epochs_per_trial": 2}, parallelism=1)
    client = Client(http, first)
    trial = client.one()["trial"]
    assert client.tell(trial, step=1, values={"loss": 0.5})["decided"]
    second = submit(http, budget={"trials": 2, "epochs_per_trial": 2}, parallelism=1)
    assert Client(http, second).one()["trial"] == 0, "there is one driver, and it has come"
    assert (job_of(http, first)["state"], job_of(http, first)["reason"]) == ("queued", "nothing_told")
    assert client.one()["trial"] == trial, "what is open stays open"
    assert client.tell(trial, step=2, values={"loss": 0.4}) == {
        "trial": trial, "step": 2, "action": "stop", "decided": True, "state": "completed",
    }  # fmt: skip
    for job in (second, first):
        Client(http, job).work(loss)
        await_state(http, job, "succeeded")
    assert [trial["n_reports"] for trial in trials_of(http, first)] == [2, 2]


def test_seconds_end_a_job_that_nobody_tells(http: httpx.Client) -> None:
    job = submit(http, budget={"trials": 3, "epochs_per_trial": 3, "seconds": 1.0})
    assert Client(http, job).one()["trial"] == 0
    assert await_state(http, job, "failed")["reason"] == "no_completed_trial"


def serial(http: httpx.Client, job: str, between: Callable[[int], Any] = lambda n: None) -> list[Any]:
    """One client trains a job, trial after trial; `between` is called after each tell. Give what came of it."""
    client, n_tells = Client(http, job), 0
    while not (given := client.ask(wait_seconds=20, lease_seconds=600))["ended"]:
        for trial in given["trials"]:
            step, action = trial["step"], "continue"
            while action == "continue" and step < trial["steps"]:
                step += 1
                value = loss(trial["parameters"], step)
                action = client.tell(trial["trial"], step=step, values={"loss": value})["action"]
                n_tells += 1
                between(n_tells)
    keys = ("number", "state", "reason", "parameters", "objective", "best_epoch", "rung", "n_reports", "epochs")
    return [{key: trial[key] for key in keys} for trial in trials_of(http, job)]


LEARNING: dict[str, Any] = {
    "algorithm": {"kind": "hyperopt", "n_initial_points": 3},
    "scheduler": {"kind": "asha"},
    "budget": {"trials": 10, "epochs_per_trial": 4},
    "parallelism": 2,
    "seed": 5,
}


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_driver_that_is_killed_loses_nothing_and_changes_nothing(api: httpx.Client, settings: Settings) -> None:
    quick = settings.model_copy(update={"lease_seconds": 2.0, "beat_seconds": 0.5})
    environment = child_environment(quick) | {"PYTHONPATH": str(ROOT)}
    processes: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        command = [sys.executable, "-m", "tests.service.outside_driver"]
        processes.append(subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL))

    def kill_sometimes(n_tells: int) -> None:
        if n_tells in (4, 9):
            processes[-1].send_signal(signal.SIGKILL)
            processes[-1].wait()
            start()

    start()
    try:
        expected = serial(api, submit(api, **LEARNING))
        assert len(expected) == 10
        assert serial(api, submit(api, **LEARNING), kill_sometimes) == expected
        assert len(processes) == 3
    finally:
        processes[-1].kill()
        for process in processes:
            process.wait()


def test_what_is_told_while_no_driver_runs_is_heard_by_the_next(api: httpx.Client, settings: Settings) -> None:
    job = submit(api)
    with driving(settings):
        client = Client(api, job)
        trial = client.one()["trial"]
        client.tell(trial, step=1, values={"loss": 0.5})
        api.post(f"/v1/jobs/{job}/pause")
        await_state(api, job, "paused")
    api.post(f"/v1/jobs/{job}/resume")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.tell, trial, step=3, values={"loss": 0.1})
        with driving(settings):
            assert waiting.result()["step"] == 3
            wait_until(lambda: trials_of(api, job)[trial]["state"] == "completed", 30, "the trial has ended")


BAD: list[tuple[str, dict[str, Any], int, str]] = [
    ("/ask", {"client": ""}, 422, "client"),
    ("/ask", {"client": "a b"}, 422, "client"),
    ("/ask", {"count": 0}, 422, "count"),
    ("/ask", {"lease_seconds": 0}, 422, "lease_seconds"),
    ("/ask", {"wait_seconds": 31}, 422, "wait_seconds"),
    ("/ask", {"pace": 1}, 422, "pace"),
    ("/trials/99/tell", {"step": 1, "values": {"loss": 1}}, 404, "trial '99'"),
    ("/trials/1/tell", {"step": 1, "values": {"loss": 1}}, 409, "not yours: nobody has asked"),
    ("/trials/1/heartbeat", {}, 409, "not yours"),
    ("/trials/0/tell", {"step": 0, "values": {"loss": 1}}, 422, "step"),
    ("/trials/0/tell", {"step": 4, "values": {"loss": 1}}, 422, "at most 3 steps"),
    ("/trials/0/tell", {"step": 1.5, "values": {"loss": 1}}, 422, "step"),
    ("/trials/0/tell", {"values": {"loss": 1}}, 422, "step: this field is required"),
    ("/trials/0/tell", {"step": 3, "values": {}}, 422, "values.loss: the objective is missing"),
    ("/trials/0/tell", {"step": 3, "values": {"loss": "1"}}, 422, "values.loss"),
    ("/trials/0/tell", {"step": 3, "values": {"loss": 1, "lss": 1}}, 422, "allowed: loss, seconds"),
    ("/trials/0/tell", {"step": 3, "values": {"loss": 1}, "error": "no"}, 422, "a failure has no values"),
    ("/trials/0/tell", {"error": "a\0b"}, 422, "NUL"),
    ("/trials/0/tell", {"step": 1, "values": {"loss": 1}}, 422, "stands at step 2: steps rise"),
]


def test_bad_input_is_refused_by_name(http: httpx.Client) -> None:
    client = Client(http, submit(http))
    assert client.one()["trial"] == 0
    client.tell(0, step=2, values={"loss": 0.5})
    for path, given, status, words in BAD:
        answer = client.post(path, **given)
        assert answer.status_code == status, answer.text
        assert words in answer.text.encode().decode("unicode_escape"), given
    for number in ("NaN", "Infinity", "-Infinity", "1e999"):
        text = f'{{"client": "one", "step": 3, "values": {{"loss": {number}}}}}'
        headers = {"content-type": "application/json"}
        answer = http.post(f"{client.path}/trials/0/tell", content=text, headers=headers)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["path"] == "values.loss"
        assert "finite" in answer.json()["errors"][0]["message"]
    assert len(http.get(f"{client.path}/trials/0/reports").json()["items"]) == 1


def test_jobs_that_train_themselves_and_jobs_that_are_not_there_are_not_asked(api: httpx.Client) -> None:
    answer = api.post("/v1/jobs", json={"dataset": "iris"})
    client = Client(api, answer.json()["id"])
    for path in ("/ask", "/trials/0/tell", "/trials/0/heartbeat"):
        given = {"step": 1, "values": {"loss": 1}} if path.endswith("tell") else {}
        refused = client.post(path, **given)
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/wrong-state"), path
        assert "trainer mlp" in refused.json()["detail"]
        assert Client(api, "j_none").post(path, **given).status_code == 404


def test_the_example_tunes_a_classifier_of_scikit_learn(http: httpx.Client) -> None:
    command = [
        sys.executable,
        str(ROOT / "examples" / "ask_and_tell.py"),
        "--url",
        str(http.base_url),
        "--trials",
        "10",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("10 trials; accuracy 0.9")


def test_a_trial_that_failed_is_handed_out_again_before_it_counts_as_failed(http: httpx.Client) -> None:
    job = submit(http, retries=1, parallelism=1, budget={"trials": 2, "epochs_per_trial": 3}, max_failed_trials=0)
    one, two = Client(http, job, "one"), Client(http, job, "two")
    trial = one.one()["trial"]
    one.tell(trial, step=1, values={"loss": 0.5})
    told = one.tell(trial, error="the GPU is gone")
    assert (told["action"], told["state"], told["decided"]) == ("pause", "running", True)
    shown = trials_of(http, job)[trial]
    assert (shown["attempts"], shown["state"], shown["error"]["message"]) == (2, "running", "the GPU is gone")
    again = two.one()
    assert (again["trial"], again["step"]) == (trial, 1)
    late = one.post(f"/trials/{trial}/tell", step=2, values={"loss": 0.4})
    assert (late.status_code, late.json()["type"]) == (409, "/problems/wrong-state")
    assert two.tell(trial, step=1, values={"loss": 0.5})["action"] == "continue", "it is known from the first attempt"
    assert two.tell(trial, step=3, values={"loss": 0.3})["action"] == "stop"
    done = trials_of(http, job)[trial]
    assert (done["state"], done["attempts"], done["error"], done["epochs"]) == ("completed", 2, None, 3)
    assert job_of(http, job)["progress"]["epochs"] == 2
    other = one.one()["trial"]
    assert one.tell(other, error="again")["action"] == "pause"
    assert one.one()["trial"] == other
    assert one.tell(other, error="and again")["action"] == "stop"
    assert trials_of(http, job)[other]["attempts"] == 2
    assert await_state(http, job, "failed")["reason"] == "too_many_failed"


def test_retries_are_for_trials_that_are_trained_outside(api: httpx.Client) -> None:
    for body in ({"dataset": "iris", "retries": 1}, {"dataset": "iris", "retries": 6}):
        answer = api.post("/v1/jobs", json=body)
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "retries")
    assert api.post("/v1/jobs", json={"dataset": "iris", "retries": 0}).status_code == 201
