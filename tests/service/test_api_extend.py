"""More trials for a job: it goes on with its record, and ends as a job that had them from the start."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from models.bundled import bundled_table
from models.prepare import prepare
from search.trial import JobReason, JobState
from service.database import Database
from service.driver import Commands
from service.leases import Leases
from service.record import load_record
from service.recorder import Recorder
from service.submission import submit_job
from service.tables import SPARE_ROUND, Job, Model, Report, Segment, Trial
from tests.service.test_api_jobs import code_of
from tests.workers.races import Wish
from tests.workers.test_determinism import CountingSeat
from workers.fleet import Fleet
from workers.pack_host import Lease
from workers.resolved import ResolvedJob
from workers.run import JobRun, run_job

BODY: dict[str, Any] = {
    "dataset": "diabetes",
    "fixed": {"units": 4, "hidden_layers": 1},
    "space": {"learning_rate": {"type": "float", "low": 1e-3, "high": 0.1}},
    "budget": {"trials": 5, "epochs_per_trial": 9},
    "parallelism": 3,
    "keep_models": 2,
    "seed": 4,
}
PAIRS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"kind": "random"}, {"kind": "fifo"}),
    ({"kind": "random"}, {"kind": "asha", "reduction_factor": 2}),
    ({"kind": "sobol"}, {"kind": "asha", "reduction_factor": 2}),
    ({"kind": "hyperopt", "n_initial_points": 2}, {"kind": "asha", "reduction_factor": 2}),
    ({"kind": "gp", "n_initial_points": 2}, {"kind": "fifo"}),
    ({"kind": "evolution"}, {"kind": "fifo"}),
    ({"kind": "evolution", "inherit_weights": True}, {"kind": "fifo"}),
]


def submitted(database: Database, **changes: Any) -> str:
    return submit_job(database, BODY | changes, None)[0].id


def drive(database: Database, job_id: str, control: Any = None) -> int:
    """Run a queued job in this process until it stops; answer the epochs that were trained."""
    leases = Leases(database, 60)
    claim = leases.claim_next("r1")
    assert claim is not None
    assert claim.job_id == job_id
    with database.reading() as session:
        resolved = ResolvedJob.model_validate(session.get_one(Job, job_id).resolved_spec)
        record = load_record(session, job_id)
    prepared = prepare(bundled_table("diabetes"), resolved.prepare_request())
    seat = CountingSeat("s")
    with Recorder(database, claim) as recorder:
        commands = Commands(recorder, poll_seconds=0.0)
        if hasattr(control, "commands"):
            control.commands = commands
        run = JobRun(Lease("j"), resolved, prepared, Fleet([seat]), recorder, record, control or commands)
        end = run_job(run)
    leases.release(claim, end.state, end.reason, end.detail)
    return seat.n_epochs


def rows_of(database: Database, job_id: str) -> dict[str, Any]:
    """All that must be equal, without moments and ids."""
    with database.reading() as session:
        job = session.get_one(Job, job_id)
        found: dict[str, Any] = {
            "job": (job.state, job.reason, job.n_trials, job.n_done, job.n_epochs, job.n_rounds, job.best_objective)
        }
        for table in (Trial, Segment, Report, Model):
            hidden = {"job_id", "id", "created_at", "updated_at"}
            names = [column.name for column in table.__table__.columns if column.name not in hidden]
            columns = [getattr(table, name) for name in names]
            rows = session.execute(select(*columns).where(table.job_id == job_id))
            found[table.__tablename__] = sorted(map(repr, rows))
    return found


@pytest.mark.parametrize(("algorithm", "scheduler"), PAIRS, ids=lambda settings: settings["kind"])
def test_an_extended_job_equals_one_that_had_its_trials_from_the_start(
    api: httpx.Client, database: Database, algorithm: dict[str, Any], scheduler: dict[str, Any]
) -> None:
    pair = {"algorithm": algorithm, "scheduler": scheduler}
    job = submitted(database, **pair)
    drive(database, job)
    answer = api.post(f"/v1/jobs/{job}/extend", json={"trials": 11})
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["state"], shown["reason"]) == ("queued", "user_extended")
    assert (shown["spec"]["budget"]["trials"], shown["plan"]["trials"], shown["progress"]["trials"]) == (11, 11, 11)
    after = drive(database, job)
    if algorithm["kind"] == "evolution":
        pair["algorithm"] = algorithm | {"population_size": 4}
    whole = submitted(database, **pair, budget=BODY["budget"] | {"trials": 11})
    at_once = drive(database, whole)
    assert rows_of(database, job) == rows_of(database, whole)
    if not algorithm.get("inherit_weights"):  # its parents' weights are gone, and made again
        assert after < at_once
    assert api.get(f"/v1/jobs/{job}").json()["spec"]["budget"]["trials"] == 11


def test_what_was_trained_is_not_shown_until_it_is_reached_again(api: httpx.Client, database: Database) -> None:
    job = submitted(database, scheduler={"kind": "fifo"}, algorithm={"kind": "random"}, parallelism=5)
    drive(database, job)
    cursor = len(api.get(f"/v1/jobs/{job}/events", headers={"accept": "application/json"}).json()["items"])
    shown = api.post(f"/v1/jobs/{job}/extend", json={"trials": 6}).json()
    assert shown["progress"] | {"seconds": 0} == {"trials": 6, "done": 0, "epochs": 0, "seconds": 0}
    assert shown["best"] is None
    assert api.get(f"/v1/jobs/{job}/trials/0/reports").json()["items"] == []
    told = api.get(f"/v1/jobs/{job}/events", params={"after": cursor}, headers={"accept": "application/json"}).json()
    rewound = [event["data"] for event in told["items"] if event["type"] == "trial"]
    assert [(data["number"], data["n_reports"], data["state"]) for data in rewound] == [
        (n, 0, "running") for n in range(5)
    ]
    assert told["items"][-1]["type"] == "job"
    epochs = drive(database, job)
    assert epochs <= 9 + 6 * 9, "the new trial, and contenders whose weights are gone"
    assert len(api.get(f"/v1/jobs/{job}/trials/0/reports").json()["items"]) == 9
    with database.reading() as session:
        assert session.scalars(select(Report).where(Report.round == SPARE_ROUND)).first() is None


def test_a_job_is_extended_before_it_ends_too_and_twice(api: httpx.Client, database: Database) -> None:
    pair = {"scheduler": {"kind": "fifo"}, "algorithm": {"kind": "random"}}
    job = submitted(database, **pair)
    assert api.post(f"/v1/jobs/{job}/extend", json={"trials": 6}).json()["reason"] == "submitted"
    drive(database, job, Wish("pause", at_poll=3))
    assert api.get(f"/v1/jobs/{job}").json()["state"] == "paused"
    assert api.post(f"/v1/jobs/{job}/extend", json={"trials": 7}).json()["state"] == "queued"
    drive(database, job)
    assert api.post(f"/v1/jobs/{job}/extend", json={"trials": 8}).status_code == 200
    drive(database, job)
    whole = submitted(database, **pair, budget=BODY["budget"] | {"trials": 8})
    drive(database, whole)
    assert rows_of(database, job) == rows_of(database, whole)


@pytest.mark.parametrize(
    ("changes", "trials", "words"),
    [
        ({"scheduler": {"kind": "hyperband"}}, 9, "hyperband needs all its trials from the start; clone it with"),
        ({"scheduler": {"kind": "pbt"}, "parallelism": 5}, 9, "pbt needs all its trials"),
        (
            {"algorithm": {"kind": "grid"}, "space": {"units": {"type": "choice", "values": [2, 3]}}, "fixed": {}},
            9,
            "grid has its own number of points, 2",
        ),
        ({}, 5, "has 5 already, give more"),
        ({}, 0, "greater than or equal to 1"),
        ({}, 10**6, "less than or equal to"),
    ],
)
def test_what_cannot_be_extended_is_refused_with_what_to_do(
    api: httpx.Client, database: Database, changes: dict[str, Any], trials: int, words: str
) -> None:
    job = submitted(database, **({"parallelism": None} if "scheduler" in changes else {}) | changes)
    answer = api.post(f"/v1/jobs/{job}/extend", json={"trials": trials})
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "trials")
    assert words in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        (JobState.RUNNING, JobReason.CLAIMED, "pause it first"),
        (JobState.CANCELLED, JobReason.USER_CANCELLED, "for good"),
        (JobState.SUCCEEDED, JobReason.TARGET_REACHED, "reached its goal"),
        (JobState.SUCCEEDED, JobReason.NO_IMPROVEMENT, "clone it with"),
        (JobState.SUCCEEDED, JobReason.SECONDS_UP, "seconds are used up"),
        (JobState.FAILED, JobReason.TOO_MANY_FAILED, "more trials change nothing"),
        (JobState.FAILED, JobReason.REPLAY_MISMATCH, "cannot be run again"),
    ],
)
def test_jobs_that_more_trials_do_not_help_are_left_alone(
    api: httpx.Client, database: Database, state: JobState, reason: JobReason, words: str
) -> None:
    job = submitted(database)
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == job).values(state=state, reason=reason))
    answer = api.post(f"/v1/jobs/{job}/extend", json={"trials": 9})
    assert (answer.status_code, code_of(answer)) == (409, "wrong-state")
    assert words in answer.json()["detail"]
    assert api.get(f"/v1/jobs/{job}").json()["progress"]["trials"] == 5


def test_a_job_that_has_ended_well_is_extended_not_resumed(api: httpx.Client, database: Database) -> None:
    job = submitted(database)
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == job).values(state="succeeded", reason="trials_done"))
    answer = api.post(f"/v1/jobs/{job}/resume")
    assert (answer.status_code, code_of(answer)) == (409, "wrong-state")
    assert "extend" in answer.json()["detail"]
    assert code_of(api.post("/v1/jobs/j_none/extend", json={"trials": 3})) == "not-found"
