"""The end of a real job over HTTP: the ensemble as a model like any other, and how sure the winner's score is."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import httpx
import pytest
from safetensors.numpy import load

from models.bundled import bundled_table
from models.predictor import Predictor
from models.prepare import prepare
from service.database import Database
from service.leases import Leases
from service.record import load_record
from service.recorder import Recorder
from service.submission import submit_job
from tests.service.test_api_jobs import code_of
from tests.workers.races import Nobody
from workers.fleet import Fleet
from workers.local_seat import LocalSeat
from workers.pack_host import Lease
from workers.resolved import ResolvedJob
from workers.run import JobRun, run_job
from workers.sink import Record

BODY = {
    "dataset": "diabetes",
    "fixed": {"units": 8, "hidden_layers": 1},
    "space": {"learning_rate": {"type": "float", "low": 1e-2, "high": 0.1}},
    "algorithm": {"kind": "random"},
    "scheduler": {"kind": "fifo"},
    "budget": {"trials": 6, "epochs_per_trial": 12},
    "keep_models": 2,
}


def run_here(database: Database, times: int = 1, **changes: Any) -> str:
    """Submit a job and run it in this process, once or again from its record; answer its id."""
    job, _ = submit_job(database, BODY | changes, None)
    resolved = ResolvedJob.model_validate(job.resolved_spec)
    prepared = prepare(bundled_table("diabetes"), resolved.prepare_request())
    claim = Leases(database, 60).claim_next("r1")
    assert claim is not None
    record = Record()
    for _ in range(times):
        with Recorder(database, claim) as recorder:
            run_job(JobRun(Lease("j"), resolved, prepared, Fleet([LocalSeat("s")]), recorder, record, Nobody()))
        with database.reading() as session:
            record = load_record(session, job.id)
    return job.id


@pytest.fixture
def job(database: Database) -> str:
    return run_here(database)


def best_of(api: httpx.Client, job: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/v1/jobs/{job}/best").json()
    return found


def test_the_winner_stays_the_best_trial_and_the_ensemble_stands_beside_it(api: httpx.Client, job: str) -> None:
    found = best_of(api, job)
    assert (found["model"]["origin"], found["ensemble"]["origin"]) == ("trial", "ensemble")
    assert found["model"]["trial"] == found["trial"]["number"]
    assert found["model"]["members"] is None
    assert found["ensemble"]["objective"] < found["model"]["objective"]
    shown = api.get(f"/v1/jobs/{job}").json()
    assert shown["best"]["model"] == found["model"]["id"]
    assert api.get("/v1/jobs").json()["items"][0]["best"]["model"] == found["model"]["id"]
    models = api.get(f"/v1/jobs/{job}/models").json()["items"]
    assert [model["origin"] for model in models] == ["ensemble", "trial", "trial"]
    assert models[0] == found["ensemble"]


def test_the_winners_confidence_is_shown_with_the_model(api: httpx.Client, job: str) -> None:
    found = best_of(api, job)
    told = found["model"]["confidence"]
    assert told["metric"] == "mean_squared_error"
    assert told["interval"][0] <= told["score"] <= told["interval"][1]
    assert told["corrected_interval"][0] <= told["corrected"] <= told["corrected_interval"][1]
    assert told["bias"] == pytest.approx(told["corrected"] - told["score"])
    assert (told["rivals"], told["level"]) == (6, 0.95)
    detail = api.get(f"/v1/models/{found['model']['id']}").json()
    assert detail["card"]["facts"]["confidence"] == told == detail["confidence"]
    others = [m for m in api.get(f"/v1/jobs/{job}/models").json()["items"] if m["id"] != found["model"]["id"]]
    assert [model["confidence"] for model in others] == [None, None]


def test_the_ensemble_is_downloaded_and_predicts_like_any_model(api: httpx.Client, job: str) -> None:
    ensemble = best_of(api, job)["ensemble"]
    path = f"/v1/models/{ensemble['id']}"
    package = api.get(f"{path}/download").content
    predictor = Predictor.from_package(package)
    row = predictor.card["example"]["row"]
    answer = api.post(f"{path}/predict", json={"rows": [row]}).json()
    assert answer == predictor.predict([row]).to_json() == predictor.card["example"]["answer"]
    table = f"{','.join(row)}\n{','.join(map(str, row.values()))}\n"
    csv = api.post(f"{path}/predict", content=table, headers={"content-type": "text/csv"}).json()
    assert csv["predictions"] == pytest.approx(answer["predictions"])
    weights = api.get(f"{path}/download?format=safetensors").content
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        assert weights == archive.read("model.safetensors")
    assert {name.split(".")[1] for name in load(weights)} == {str(n) for n in range(len(ensemble["members"]))}
    card = api.get(path).json()["card"]
    assert [member["share"] for member in card["members"]] == [member["share"] for member in ensemble["members"]]
    assert sum(member["share"] for member in ensemble["members"]) == pytest.approx(1)
    assert {"trial", "epoch", "share"} == set(ensemble["members"][0])
    refused = api.post(f"{path}/predict", json={"rows": [{}]})
    assert (refused.status_code, code_of(refused)) == (422, "invalid-request")


def test_a_job_that_runs_again_from_its_record_keeps_ids_and_bytes(api: httpx.Client, database: Database) -> None:
    once, twice = (best_of(api, run_here(database, times)) for times in (1, 2))
    for kind in ("model", "ensemble"):
        assert once[kind]["sha256"] == twice[kind]["sha256"]
    assert len(api.get(f"/v1/jobs/{twice['model']['job']}/models").json()["items"]) == 3


def test_without_an_ensemble_there_is_none(api: httpx.Client, database: Database) -> None:
    found = best_of(api, run_here(database, ensemble=None))
    assert found["ensemble"] is None
    assert found["model"]["confidence"] is not None


def test_the_winner_of_folds_is_trained_once_more_and_tells_how_sure_its_score_is(
    api: httpx.Client, database: Database
) -> None:
    split = {"validation": {"kind": "kfold", "folds": 3}}
    once, twice = (best_of(api, run_here(database, times, split=split)) for times in (1, 2))
    told = once["model"]["confidence"]
    assert once["model"]["origin"] == "refit"
    assert (told["folds"], told["rivals"], told["resamples"]) == (3, 6, None)
    assert told["interval"][0] < told["score"] < told["interval"][1]
    assert told["corrected"] == pytest.approx(told["score"] + told["bias"])
    assert told["score"] == pytest.approx(once["model"]["objective"])
    for kind in ("model", "ensemble"):
        assert once[kind]["sha256"] == twice[kind]["sha256"]
    job = twice["model"]["job"]
    models = api.get(f"/v1/jobs/{job}/models").json()["items"]
    assert sorted(model["origin"] for model in models) == ["ensemble", "refit", "refit"], "no more than it keeps"
    assert api.get(f"/v1/jobs/{job}").json()["best"]["model"] == twice["model"]["id"]
    with database.reading() as session:
        assert load_record(session, job).models == {model["trial"] for model in models if model["origin"] == "refit"}


@pytest.mark.parametrize("more", [{"refit": True}, {"repeats": 2}, {"repeats": 2, "refit": True}], ids=str)
def test_a_holdout_with_repeats_or_refit_tells_the_same_of_its_winner_and_has_an_ensemble(
    api: httpx.Client, database: Database, more: dict[str, Any]
) -> None:
    found = best_of(api, run_here(database, **more))
    model, ensemble = found["model"], found["ensemble"]
    told = model["confidence"]
    assert model["origin"] == ("refit" if "refit" in more else "trial")
    assert (told["folds"], told["rivals"]) == (None, 6)
    assert told["interval"][0] <= told["score"] <= told["interval"][1]
    assert told["score"] == pytest.approx(model["objective"])
    assert ensemble["objective"] < model["objective"]
    path = f"/v1/models/{ensemble['id']}"
    predictor = Predictor.from_package(api.get(f"{path}/download").content)
    assert predictor.card["facts"].get("refit") == ("all rows but the test rows" if "refit" in more else None)
    row = predictor.card["example"]["row"]
    assert api.post(f"{path}/predict", json={"rows": [row]}).json() == predictor.predict([row]).to_json()


def test_a_model_is_told_again_when_its_confidence_is_known(api: httpx.Client, job: str) -> None:
    found = best_of(api, job)
    answer = api.get(f"/v1/jobs/{job}/events", params={"after": 0}, headers={"accept": "application/json"}).json()
    told = [event["data"] for event in answer["items"] if event["type"] == "model"]
    ids = [data["id"] for data in told]
    assert ids[-2:] == [found["model"]["id"], found["ensemble"]["id"]]
    assert ids.count(found["model"]["id"]) == 2
    assert told[-1]["origin"] == "ensemble"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"ensemble": {"size": 0}}, "ensemble.size"),
        ({"contenders": 1}, "contenders"),
        ({"contenders": "x"}, "contenders"),
    ],
)
def test_bad_wishes_are_refused_by_name(api: httpx.Client, change: dict[str, Any], path: str) -> None:
    answer = api.post("/v1/jobs", json=BODY | change)
    assert (answer.status_code, code_of(answer)) == (422, "invalid-request")
    assert path in [problem["path"] for problem in answer.json()["errors"]]
