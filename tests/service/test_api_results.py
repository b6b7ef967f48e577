"""What came out, over HTTP: trials, reports, models, predictions."""

from __future__ import annotations

import io
import math
import zipfile
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from safetensors.numpy import load

from models.bundled import bundled_table
from models.lanes import Watch
from models.predictor import Predictor
from search.trial import TrialState
from service.database import Database
from service.examples import PREDICT_CSV_EXAMPLE, PREDICT_EXAMPLES
from service.recorder import Recorder
from tests.service.facts import claim, moved, report, submit
from tests.service.packages import Finished, finish_job
from tests.service.test_api_events import listed
from tests.service.test_api_jobs import code_of


@pytest.fixture
def finished(database: Database) -> Finished:
    """A job that ran on iris."""
    return finish_job(database)


def test_labels_are_answered_by_target_and_a_perceptron_answers_without_probabilities(
    api: httpx.Client, database: Database
) -> None:
    row = {"rows": [dict.fromkeys(bundled_table("breast_cancer").columns, 1.0)]}

    def ask(**body: Any) -> dict[str, Any]:
        job = finish_job(database, "breast_cancer", **body).id
        model = api.get(f"/v1/jobs/{job}/models").json()["items"][0]
        answer: dict[str, Any] = api.post(f"/v1/models/{model['id']}/predict", json=row).json()
        return answer

    several = ask(target=["diagnosis"], task="multilabel")
    (prediction,) = several["predictions"]
    shares = prediction["probabilities"]["diagnosis"]
    assert several["classes"] == {"diagnosis": ["benign", "malignant"]}
    assert prediction["labels"]["diagnosis"] == several["classes"]["diagnosis"][int(np.argmax(shares))]
    assert sum(shares) == pytest.approx(1)
    bare = ask(fixed={"loss": "perceptron"})
    assert bare["classes"] == ["benign", "malignant"]
    assert set(bare["predictions"][0]) == {"label"}
    assert bare["predictions"][0]["label"] in bare["classes"]


def test_trials_come_best_first_with_those_without_an_objective_last_and_in_pages(
    api: httpx.Client, finished: Finished
) -> None:
    path = f"/v1/jobs/{finished.id}/trials"

    def walk(order: str) -> list[int]:
        seen: list[int] = []
        cursor = None
        while True:
            params: dict[str, Any] = {"order": order, "limit": 2} | ({"cursor": cursor} if cursor else {})
            page = api.get(path, params=params).json()
            seen.extend(trial["number"] for trial in page["items"])
            cursor = page["next_cursor"]
            if cursor is None:
                return seen

    assert walk("number") == [0, 1, 2, 3, 4]
    assert walk("objective") == [1, 4, 2, 0, 3]
    stopped = api.get(path, params={"state": ["stopped", "diverged"], "order": "objective"}).json()["items"]
    assert [(trial["number"], trial["state"]) for trial in stopped] == [(1, "stopped"), (3, "diverged")]


def test_a_trial_shows_its_best_epoch_and_its_life(api: httpx.Client, finished: Finished) -> None:
    trial = api.get(f"/v1/jobs/{finished.id}/trials/1").json()
    assert (trial["objective"], trial["best_epoch"], trial["epochs"]) == (0.3, 2, 2)
    assert trial["metrics"] == {"log_loss": 0.3, "accuracy": 0.5}
    assert [segment["source_trial"] for segment in trial["segments"]] == [None]
    assert code_of(api.get(f"/v1/jobs/{finished.id}/trials/5")) == "not-found"


def test_a_trial_of_several_lanes_shows_each_of_them_and_the_spread(api: httpx.Client, database: Database) -> None:
    held = claim(database, resolved_spec={"metrics": ["log_loss", "accuracy"], "repeats": 2})
    parts = ((0.1, 0.7), (0.3, 0.9), (0.2, 0.8), (0.2, math.nan))
    with Recorder(database, held) as recorder:
        recorder.trial(moved(0, TrialState.RUNNING))
        recorder.reports(1, {}, [replace(report(0, 1, 0.2), parts=parts), report(1, 1, 0.4)])
        recorder.round_ended(1)
    path = f"/v1/jobs/{held.job_id}/trials"
    shown = api.get(f"{path}/0").json()
    assert shown["spread"] == pytest.approx(math.sqrt(0.005))
    assert shown["spreads"] == {"log_loss": shown["spread"], "accuracy": None}
    assert [(part["fold"], part["repeat"]) for part in shown["folds"]] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert shown["folds"][1]["metrics"] == {"log_loss": 0.3, "accuracy": 0.9}
    assert shown["folds"][3]["metrics"]["accuracy"] is None
    assert [trial["spread"] for trial in api.get(path).json()["items"]] == [shown["spread"], None]
    alone = api.get(f"{path}/1").json()
    assert (alone["folds"], alone["spreads"]) == ([], {})
    events = listed(api, held.job_id)
    assert [event["data"]["spread"] for event in events if event["type"] == "trial"] == [shown["spread"]]


def test_what_is_watched_on_stopping_rows_is_named(api: httpx.Client, database: Database) -> None:
    spec = {"metrics": ["log_loss"], "split": {"stopping": {"kind": "fraction"}}, "early_stopping": None}
    held = claim(database, resolved_spec=spec)
    with Recorder(database, held, watch=Watch(1)) as recorder:
        recorder.reports(1, {}, [report(0, 1, 0.4)])
        recorder.round_ended(1)
    shown = api.get(f"/v1/jobs/{held.job_id}/trials/0/reports").json()["items"][0]["metrics"]
    assert shown == {"log_loss": 0.4, "log_loss on stopping rows": 0.5}


def test_reports_name_their_metrics_and_what_is_not_finite_is_null(api: httpx.Client, finished: Finished) -> None:
    path = f"/v1/jobs/{finished.id}/trials/3/reports"
    first, second = api.get(path).json()["items"]
    assert first["metrics"] == {"log_loss": 1.0, "accuracy": 0.5}
    assert (second["objective"], second["train_loss"], second["is_finite"]) == (None, None, False)
    page = api.get(path, params={"limit": 1}).json()
    rest = api.get(path, params={"cursor": page["next_cursor"]}).json()
    assert [item["sequence"] for item in page["items"] + rest["items"]] == [1, 2]


def test_the_winner_is_the_best_trial_and_of_equals_the_lower_number(api: httpx.Client, finished: Finished) -> None:
    best = api.get(f"/v1/jobs/{finished.id}/best").json()
    assert best["trial"]["number"] == 1
    job = api.get(f"/v1/jobs/{finished.id}").json()
    assert job["best"] == {"trial": 1, "objective": 0.3, "model": best["model"]["id"]}
    assert (job["state"], job["progress"]["done"], job["progress"]["epochs"]) == ("succeeded", 5, 10)
    models = api.get(f"/v1/jobs/{finished.id}/models").json()["items"]
    assert [model["trial"] for model in models] == [1, 4]
    detail = api.get(f"/v1/models/{best['model']['id']}").json()
    assert (detail["card"], detail["test_metrics"]) == ({"x": 1}, {"log_loss": 0.4})


def test_a_job_without_a_model_says_so(api: httpx.Client, database: Database) -> None:
    answer = api.get(f"/v1/jobs/{submit(database)}/best")
    assert (answer.status_code, code_of(answer)) == (409, "no-model")


def test_downloads_are_the_stored_bytes(api: httpx.Client, finished: Finished) -> None:
    model = api.get(f"/v1/jobs/{finished.id}/best").json()["model"]
    package = api.get(f"/v1/models/{model['id']}/download")
    assert package.content == finished.packages[1]
    assert package.headers["content-type"] == "application/zip"
    assert model["id"] in package.headers["content-disposition"]
    weights = api.get(f"/v1/models/{model['id']}/download?format=safetensors")
    with zipfile.ZipFile(io.BytesIO(package.content)) as archive:
        assert weights.content == archive.read("model.safetensors")
    assert "layers.0.weight" in load(weights.content)
    refused = api.get(f"/v1/models/{model['id']}/download?format=onnx")
    assert (refused.status_code, code_of(refused)) == (422, "not-yet")


def test_predictions_are_those_of_the_package_for_json_and_csv(api: httpx.Client, finished: Finished) -> None:
    model = api.get(f"/v1/jobs/{finished.id}/best").json()["model"]
    path = f"/v1/models/{model['id']}/predict"
    body = PREDICT_EXAMPLES["iris"]["value"]
    expected = Predictor.from_package(finished.packages[1]).predict(body["rows"]).to_json()
    for _ in range(2):  # the second answer comes from the cache
        answer = api.post(path, json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json() == expected
    csv = api.post(path, content=PREDICT_CSV_EXAMPLE, headers={"content-type": "text/csv; charset=utf-8"}).json()
    assert np.allclose(csv["predictions"][0]["probabilities"], expected["predictions"][0]["probabilities"])


def test_extra_columns_are_named_in_warnings(api: httpx.Client, finished: Finished) -> None:
    model = api.get(f"/v1/jobs/{finished.id}/best").json()["model"]
    row = PREDICT_EXAMPLES["iris"]["value"]["rows"][0] | {"colour": "blue"}
    answer = api.post(f"/v1/models/{model['id']}/predict", json={"rows": [row]}).json()
    assert "colour" in answer["warnings"][0]


@pytest.mark.parametrize(
    ("content", "media_type", "status", "said"),
    [
        (b'{"rows": [{"sepal length (cm)": 1}]}', "application/json", 422, "rows[0].sepal width (cm)"),
        (b'{"rows": []}', "application/json", 422, "rows"),
        (b'{"rows": 3}', "application/json", 422, "rows"),
        (b'{"rows": [3]}', "application/json", 422, "rows[0]"),
        (b'{"row": []}', "application/json", 422, "rows"),
        (b"{", "application/json", 422, "JSON"),
        (b'{"rows": [{"sepal length (cm)": "long"}]}', "application/json", 422, "sepal length (cm)"),
        (b"sepal length (cm)\n1\n", "text/csv", 422, "sepal width (cm)"),
        (b"a,b\n1\n", "text/csv", 422, "line"),
        (b"", "text/csv", 422, ""),
        (b"<rows/>", "application/xml", 415, "text/csv"),
    ],
)
def test_what_cannot_be_predicted_is_refused_by_name(
    api: httpx.Client, finished: Finished, content: bytes, media_type: str, status: int, said: str
) -> None:
    model = api.get(f"/v1/jobs/{finished.id}/best").json()["model"]
    headers = {"content-type": media_type}
    answer = api.post(f"/v1/models/{model['id']}/predict", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    code_of(answer)
    assert said in answer.text
