"""A job's range test over HTTP, and as the journal of either database keeps it."""

from __future__ import annotations

import math
from typing import Any

import httpx
import numpy as np
import pytest

from models.range_test import Floats, Sweep
from service.database import Database
from service.leases import Claim, Leases
from service.record import load_record
from service.recorder import Recorder
from tests.service.facts import report
from tests.service.test_api_jobs import code_of
from workers.body_parts import RangeTest
from workers.range_test import KIND, adopt_bounds, describe_outcome
from workers.resolved import ResolvedJob
from workers.sink import JournalFact

BODY = {"dataset": "iris", "range_test": {"adopt": True, "steps": 200}}
RATES = Sweep(1e-5, 10.0, 200, (0,)).rates()


def losses() -> Floats:
    """Fall, and be infinite from a rate of 0.3 on."""
    curve = 1 / 3 + np.exp(-np.arange(200) / 37)
    curve[RATES > 0.3] = math.nan
    return curve


@pytest.fixture
def claimed(api: httpx.Client, database: Database) -> Claim:
    """A job with a range test, claimed."""
    answer = api.post("/v1/jobs", json=BODY)
    assert answer.status_code == 201, answer.text
    claim = Leases(database, 15).claim_next("r1")
    assert claim is not None
    return claim


def outcome(**changes: Any) -> dict[str, Any]:
    return {**describe_outcome(RangeTest(adopt=True), RATES, losses(), None), **changes}


def record(database: Database, claim: Claim, payload: dict[str, Any]) -> None:
    """Store what a driver tells of a range test before its first round."""
    with Recorder(database, claim, least_gap_seconds=0.0) as recorder:
        recorder.journal(JournalFact(0, KIND, payload))
        recorder.round_ended(0)


def test_a_range_test_shows_its_curve_and_what_it_suggests(
    api: httpx.Client, database: Database, claimed: Claim
) -> None:
    record(database, claimed, outcome())
    shown = api.get(f"/v1/jobs/{claimed.job_id}/range-test").json()
    assert shown == outcome()
    assert shown["losses"][-1] is None
    assert shown["smoothed"][-1] is None
    assert shown["turn"] == pytest.approx(0.3, rel=0.1)
    assert shown["suggested"] == shown["turn"] / 10
    assert shown["interval"] == pytest.approx([shown["turn"] / 100, shown["turn"] / 2])
    assert (shown["adopted"], shown["reason"]) == (True, None)


def test_a_test_that_failed_shows_why_and_no_losses(api: httpx.Client, database: Database, claimed: Claim) -> None:
    record(database, claimed, describe_outcome(RangeTest(), RATES, np.empty(0), "OutOfDeviceMemory: too large"))
    shown = api.get(f"/v1/jobs/{claimed.job_id}/range-test").json()
    assert (shown["losses"], shown["suggested"]) == ([], None)
    assert shown["reason"] == "the test failed: OutOfDeviceMemory: too large"


def test_a_replay_reads_the_same_outcome_and_adopts_the_same_bounds_to_the_bit(
    api: httpx.Client, database: Database, claimed: Claim
) -> None:
    record(database, claimed, outcome())
    with Recorder(database, claimed, least_gap_seconds=0.0) as recorder:  # a later driver goes on
        recorder.reports(1, {}, [report(0, 1, 0.5)])
        recorder.journal(JournalFact(1, "cancel"))
        recorder.round_ended(1)
    with database.reading() as session:
        found = load_record(session, claimed.job_id)
    assert found.journal == [JournalFact(0, KIND, outcome()), JournalFact(1, "cancel")]
    assert found.n_rounds == 1
    job = ResolvedJob.model_validate(api.get(f"/v1/jobs/{claimed.job_id}").json()["resolved_spec"])
    adopted = adopt_bounds(job, found.journal[0].payload).space.parameters["learning_rate"]
    assert [adopted.low, adopted.high] == outcome()["interval"]  # type: ignore[union-attr]


def test_a_job_that_has_not_reached_its_range_test_says_so(api: httpx.Client, claimed: Claim) -> None:
    answer = api.get(f"/v1/jobs/{claimed.job_id}/range-test")
    assert (answer.status_code, code_of(answer)) == (404, "not-found")
    assert answer.json()["detail"] == "the range test of this job has not ended yet; the job is running"


def test_a_job_without_a_range_test_says_so(api: httpx.Client) -> None:
    job = api.post("/v1/jobs", json={"dataset": "iris"}).json()
    answer = api.get(f"/v1/jobs/{job['id']}/range-test")
    assert (answer.status_code, code_of(answer)) == (404, "not-found")
    assert answer.json()["detail"] == "this job has no range test: its spec has no `range_test`"


def test_a_job_that_is_not_there_has_no_range_test(api: httpx.Client) -> None:
    answer = api.get("/v1/jobs/j_none/range-test")
    assert (answer.status_code, code_of(answer)) == (404, "not-found")
    assert answer.json()["detail"] == "there is no job 'j_none'"


def test_a_range_test_that_makes_no_sense_is_refused_by_field(api: httpx.Client) -> None:
    body = {**BODY, "range_test": {"low": 1, "high": 0.1, "adopt": True}, "fixed": {"learning_rate": 0.1}}
    answer = api.post("/v1/jobs", json=body)
    assert (answer.status_code, code_of(answer)) == (422, "invalid-request")
    assert {error["path"] for error in answer.json()["errors"]} == {"range_test.low", "range_test.adopt"}


def test_the_preview_says_that_there_will_be_a_range_test(api: httpx.Client) -> None:
    plan = api.post("/v1/jobs/preview", json=BODY).json()
    assert plan["range_test"] == {"low": 1e-5, "high": 10.0, "steps": 200, "lanes": 3, "adopt": True}
    assert api.post("/v1/jobs/preview", json={"dataset": "iris"}).json()["range_test"] is None
