"""A tuning job from end to end: real HTTP, real Ray, a real database."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import httpx
import numpy as np
import pytest
from safetensors.numpy import load

from tests.e2e.running import Running
from tests.e2e.specs import PAIRS, job_spec, long_job_spec

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize(("algorithm", "scheduler"), PAIRS)
def test_a_job_runs_to_its_best_model(service: Running, algorithm: str, scheduler: str) -> None:
    job = service.undisturbed(job_spec(algorithm, scheduler))
    assert (job["state"], job["reason"]) == ("succeeded", "trials_done"), job
    assert job["progress"]["done"] == 12
    trials = service.get(f"/v1/jobs/{job['id']}/trials", order="objective", limit=100)["items"]
    assert sorted(trial["number"] for trial in trials) == list(range(12))
    assert all(trial["state"] in ("completed", "stopped") and trial["reason"] for trial in trials)
    best = service.get(f"/v1/jobs/{job['id']}/best")
    assert best["trial"]["number"] == trials[0]["number"] == job["best"]["trial"]
    assert best["model"]["test_metrics"]["accuracy"] > 0.8


@pytest.mark.parametrize(("algorithm", "scheduler"), PAIRS)
def test_the_same_job_gives_the_same_result_bit_for_bit(service: Running, algorithm: str, scheduler: str) -> None:
    first = service.undisturbed(job_spec(algorithm, scheduler))
    second = service.finish(service.submit(job_spec(algorithm, scheduler)))
    assert service.outcome(first["id"]) == service.outcome(second["id"])


def test_an_upload_becomes_a_model_that_numpy_alone_can_run(service: Running) -> None:
    table, rows = _mixed_table()
    upload = httpx.post(f"{service.url}/v1/datasets", files={"file": ("mixed.csv", table)}, data={"name": "mixed"})
    assert upload.status_code == 201, upload.text
    spec = job_spec("random", "fifo", dataset=upload.json()["id"], target="y")
    job = service.finish(service.submit(spec))
    assert job["state"] == "succeeded", job
    model = service.get(f"/v1/jobs/{job['id']}/best")["model"]
    answer = httpx.post(f"{service.url}/v1/models/{model['id']}/predict", json={"rows": rows}, timeout=60)
    assert answer.status_code == 200, answer.text
    package = httpx.get(f"{service.url}/v1/models/{model['id']}/download", params={"format": "package"}, timeout=60)
    by_hand = _predict_by_hand(package.content, rows)
    assert np.allclose(answer.json()["predictions"], by_hand, rtol=1e-5, atol=0)


def test_an_upload_that_is_not_used_can_be_deleted(service: Running) -> None:
    upload = httpx.post(f"{service.url}/v1/datasets", files={"file": ("t.csv", _mixed_table()[0])}, data={"name": "t"})
    address = f"{service.url}/v1/datasets/{upload.json()['id']}"
    assert httpx.delete(address).status_code == 204
    assert httpx.get(address).status_code == 404


def test_a_failing_trial_shows_its_error_and_the_job_goes_on(service: Running) -> None:
    space = {"units": {"type": "choice", "values": [8, 65_536]}, "hidden_layers": {"type": "int", "low": 4, "high": 5}}
    spec = job_spec("grid", "fifo", space=space, budget={"trials": None, "epochs_per_trial": 2})
    job = service.finish(service.submit(spec))
    assert job["state"] == "succeeded", job
    trials = service.get(f"/v1/jobs/{job['id']}/trials", limit=100)["items"]
    failed = [trial for trial in trials if trial["state"] == "failed"]
    assert len(failed) == 2
    assert len(trials) == 4
    for trial in failed:
        assert trial["reason"] == "out_of_memory"
        assert "OutOfDeviceMemory" in json.dumps(trial["error"])


def test_diverging_trials_are_told_apart_and_do_not_win(service: Running) -> None:
    space = {"learning_rate": {"type": "choice", "values": [0.05, 100.0]}}
    fixed = {"optimizer": "sgd", "units": 16}
    spec = job_spec("grid", "fifo", dataset="diabetes", space=space, fixed=fixed)
    spec["budget"] = {"epochs_per_trial": 5}
    job = service.finish(service.submit(spec))
    states = {t["parameters"]["learning_rate"]: t["state"] for t in _trials(service, job["id"])}
    assert states == {0.05: "completed", 100.0: "diverged"}
    assert service.get(f"/v1/jobs/{job['id']}/best")["trial"]["parameters"]["learning_rate"] == 0.05


def test_a_job_pauses_resumes_and_ends_as_if_nothing_had_been(service: Running) -> None:
    spec = long_job_spec("random", "hyperband")
    plain = service.undisturbed(spec)["id"]
    paused = service.submit(spec)
    service.reach(paused, 20)
    assert httpx.post(f"{service.url}/v1/jobs/{paused}/pause", timeout=60).status_code in (200, 202)
    assert service.finish(paused)["state"] == "paused"
    assert httpx.post(f"{service.url}/v1/jobs/{paused}/resume", timeout=60).status_code in (200, 202)
    assert service.finish(paused)["state"] == "succeeded"
    assert service.outcome(paused) == service.outcome(plain)


def test_a_running_job_can_be_cancelled(service: Running) -> None:
    job_id = service.submit(
        job_spec("random", "fifo", dataset="digits", budget={"trials": 400, "epochs_per_trial": 50})
    )
    service.reach(job_id, 20)
    assert httpx.post(f"{service.url}/v1/jobs/{job_id}/cancel", timeout=60).status_code in (200, 202)
    job = service.finish(job_id)
    assert (job["state"], job["reason"]) == ("cancelled", "user_cancelled")
    assert all(trial["state"] in ("completed", "cancelled") for trial in _trials(service, job_id))


def test_events_replay_the_whole_job_in_order(service: Running) -> None:
    job_id = service.submit(job_spec("random", "asha"))
    service.finish(job_id)
    seen, numbers = [], []
    with httpx.stream("GET", f"{service.url}/v1/jobs/{job_id}/events", timeout=60) as stream:
        for line in stream.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                numbers.append(int(value))
            if name == "event":
                seen.append(value)
    assert numbers == sorted(set(numbers))
    assert {"job", "trial", "reports", "model"} <= set(seen)
    rest = httpx.get(stream.url, params={"after": numbers[-3]}, headers={"accept": "application/json"}, timeout=60)
    assert [event["id"] for event in rest.json()["items"]] == numbers[-2:]


def test_a_time_budget_and_a_target_end_a_job_with_their_reason(service: Running) -> None:
    budget = {"trials": 2000, "epochs_per_trial": 50, "seconds": 1.5}
    job = service.finish(service.submit(job_spec("random", "fifo", budget=budget)))
    assert (job["state"], job["reason"]) == ("succeeded", "seconds_up")
    budget = {"trials": 500, "epochs_per_trial": 30, "stop_at": 0.6}
    job = service.finish(service.submit(job_spec("random", "fifo", budget=budget)))
    assert (job["state"], job["reason"]) == ("succeeded", "target_reached")
    assert job["best"]["objective"] <= 0.6


def _trials(service: Running, job_id: str) -> list[dict[str, Any]]:
    return list(service.get(f"/v1/jobs/{job_id}/trials", limit=1000)["items"])


def _mixed_table() -> tuple[bytes, list[dict[str, Any]]]:
    """A regression table with numbers, text and holes in both."""
    draw = np.random.default_rng(3)
    rows: list[dict[str, Any]] = []
    for index in range(240):
        x, colour = float(np.round(draw.normal(), 4)), str(draw.choice(["red", "green", "blue"]))
        y = round(2 * x + {"red": 1.0, "green": -1.0, "blue": 0.0}[colour] + float(draw.normal(0, 0.1)), 4)
        rows.append({"x": None if index % 17 == 0 else x, "colour": None if index % 23 == 0 else colour, "y": y})
    lines = ["x,colour,y"] + [",".join("" if v is None else str(v) for v in row.values()) for row in rows]
    return "\n".join(lines).encode(), [{k: v for k, v in row.items() if k != "y"} for row in rows[:40]]


def _predict_by_hand(package: bytes, rows: list[dict[str, Any]]) -> list[float]:
    """What the package's README says, written out: numpy and safetensors, nothing of ours."""
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        card = json.loads(archive.read("card.json"))
        tensors = load(archive.read("model.safetensors"))
    columns = [
        _encode(feature, [row[feature["name"]] for row in rows]) for feature in card["preprocessing"]["features"]
    ]
    x = np.concatenate(columns, axis=1).astype(np.float32).astype(np.float64)
    n_layers = len(tensors) // 2
    for place in range(n_layers):
        x = x @ tensors[f"layers.{place}.weight"] + tensors[f"layers.{place}.bias"]
        if place < n_layers - 1:
            x = np.maximum(x, 0) if card["architecture"]["activation"] == "relu" else np.tanh(x)
    target = card["targets"][0]
    return [float(value) for value in x[:, 0] * target["scale"] + target["mean"]]


def _encode(feature: dict[str, Any], values: list[Any]) -> np.ndarray:
    if feature["kind"] == "numeric":
        holes = np.array([value is None for value in values])
        filled = np.array([feature["fill"] if value is None else value for value in values], dtype=np.float64)
        parts = [(filled - feature["center"]) / feature["scale"]]
        if feature["indicator"]:
            parts.append(holes.astype(np.float64))
        return np.stack(parts, axis=1)
    hot = [[float(value == category) for category in feature["categories"]] for value in values]
    if feature["indicator"]:
        hot = [[*row, float(value is None)] for row, value in zip(hot, values, strict=True)]
    return np.array(hot)
