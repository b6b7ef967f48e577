"""Warm starts over HTTP: what is taken of earlier jobs is kept with the new one."""

from __future__ import annotations

from typing import Any

import httpx

from search.trial import JobReason, JobState, TrialReason, TrialState
from service.database import Database
from service.leases import Leases
from service.record import load_record
from service.recorder import Recorder
from tests.service.facts import moved, report
from tests.service.test_api_jobs import code_of
from workers.resolved import ResolvedJob
from workers.sink import JournalFact
from workers.warm_start import KIND, recall_earlier

BODY: dict[str, Any] = {
    "dataset": "diabetes",
    "space": {"learning_rate": {"type": "float", "low": 0.001, "high": 0.1}},
    "budget": {"trials": 4, "epochs_per_trial": 5},
}


def finished_job(api: httpx.Client, database: Database) -> str:
    """A job of which two trials have results."""
    job_id = str(api.post("/v1/jobs", json=BODY).json()["id"])
    leases = Leases(database, 15)
    claim = leases.claim_next("r1")
    assert claim is not None
    with Recorder(database, claim) as recorder:
        for number, value in enumerate([30.0, 20.0]):
            parameters = {"learning_rate": 0.01 * (number + 1)}
            recorder.trial(moved(number, TrialState.RUNNING, parameters=parameters))
            recorder.reports(number + 1, {}, [report(number, 1, value)])
            recorder.trial(moved(number, TrialState.COMPLETED, TrialReason.EPOCHS_DONE, parameters=parameters))
            recorder.round_ended(number + 1)
    leases.release(claim, JobState.SUCCEEDED, JobReason.TRIALS_DONE)
    return job_id


def test_what_is_taken_stays_with_the_job_when_its_parent_is_deleted(api: httpx.Client, database: Database) -> None:
    parent = finished_job(api, database)
    patch = {"warm_start": {"jobs": [parent], "best": 1}}
    clone = api.post(f"/v1/jobs/{parent}/clone", json=patch)
    assert clone.status_code == 201, clone.text
    job = clone.json()
    assert (job["plan"]["earlier"], job["plan"]["points"]) == (2, [{"learning_rate": 0.02}])
    assert job["plan"]["notes"] == [f"2 results of {parent} are told"]
    assert api.post("/v1/jobs/preview", json=job["spec"]).json()["earlier"] == 2
    assert api.delete(f"/v1/jobs/{parent}").status_code == 204
    with database.reading() as session:
        record = load_record(session, job["id"])
    assert [(fact.kind, fact.round) for fact in record.journal] == [(KIND, 0)]
    recalled = recall_earlier(ResolvedJob.model_validate(job["resolved_spec"]), record.journal)
    assert [(known.trial, known.objective) for known in recalled.earlier] == [(0, 30.0), (1, 20.0)]
    again = api.post(f"/v1/jobs/{job['id']}/clone")
    assert (again.status_code, again.json()["errors"][0]["path"]) == (422, "warm_start.jobs.0")
    assert api.post(f"/v1/jobs/{job['id']}/clone", json={"warm_start": None}).status_code == 201


def test_the_journal_goes_on_behind_what_was_taken(api: httpx.Client, database: Database) -> None:
    parent = finished_job(api, database)
    child = api.post(f"/v1/jobs/{parent}/clone", json={"warm_start": {"jobs": [parent]}}).json()["id"]
    claim = Leases(database, 15).claim_next("r1")
    assert claim is not None
    assert claim.job_id == child
    with Recorder(database, claim) as recorder:
        recorder.journal(JournalFact(3, "cancel"))
        recorder.round_ended(3)
    with database.reading() as session:
        assert [fact.kind for fact in load_record(session, child).journal] == [KIND, "cancel"]


def test_jobs_that_are_not_there_or_do_not_compare_are_refused_by_name(api: httpx.Client, database: Database) -> None:
    parent = finished_job(api, database)
    missing = api.post("/v1/jobs", json=BODY | {"warm_start": {"jobs": [parent, "j_none"]}})
    assert (missing.status_code, code_of(missing)) == (422, "invalid-request")
    assert [error["path"] for error in missing.json()["errors"]] == ["warm_start.jobs.1"]
    other = api.post("/v1/jobs", json=BODY | {"dataset": "iris", "warm_start": {"jobs": [parent]}})
    assert other.status_code == 422
    assert "results to false" in other.json()["errors"][0]["message"]
    points_only = {"jobs": [parent], "results": False}
    taken = api.post("/v1/jobs", json=BODY | {"dataset": "iris", "warm_start": points_only})
    assert taken.status_code == 201, taken.text
    assert taken.json()["plan"]["points"] == [{"learning_rate": 0.02}, {"learning_rate": 0.01}]
    for body in ({"jobs": []}, {"jobs": [parent], "best": -1}, {"jobs": "all"}):
        assert api.post("/v1/jobs", json=BODY | {"warm_start": body}).status_code == 422
