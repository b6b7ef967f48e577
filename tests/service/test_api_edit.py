"""Another space for a job while it runs: over HTTP, through the journal, and past a driver that dies."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from search.trial import JobReason, JobState
from service.database import Database
from service.driver import Commands
from service.settings import Settings
from service.tables import Command, Job, Journal
from tests.e2e.running import wait_until
from tests.service.outside import Client, await_state, driving, job_of, loss, submit, trials_of
from tests.service.test_api_extend import drive, rows_of, submitted
from tests.service.test_api_jobs import code_of
from tests.workers.races import Wish

PAIR: dict[str, Any] = {
    "algorithm": {"kind": "hyperopt", "n_initial_points": 2},
    "scheduler": {"kind": "asha", "reduction_factor": 2},
    "budget": {"trials": 9, "epochs_per_trial": 9},
    "start_from_default": False,
}
NARROW = {"learning_rate": {"low": 0.05, "high": 0.06}}


class Death(Exception):
    """The driver's process is gone."""


class Editing:
    """A driver's own commands; while it is at work, a user sends requests when it looks for the n-th time."""

    def __init__(
        self, api: httpx.Client, job: str, sends: dict[int, dict[str, Any]], dies_at: int | None = None
    ) -> None:
        self._api, self._job, self._sends, self._dies_at = api, job, sends, dies_at
        self.commands: Commands | None = None
        self.n_looks = 0

    def edits(self) -> list[dict[str, Any]]:
        self.n_looks += 1
        if self.n_looks == self._dies_at:
            raise Death
        if body := self._sends.get(self.n_looks):
            answer = self._api.post(f"/v1/jobs/{self._job}/edit", json=body)
            assert answer.status_code == 200, answer.text
        assert self.commands is not None
        return self.commands.edits()

    def poll(self) -> str | None:
        assert self.commands is not None
        return self.commands.poll()


def rates(api: httpx.Client, job: str) -> list[float]:
    items = api.get(f"/v1/jobs/{job}/trials", params={"order": "number", "limit": 100}).json()["items"]
    return [item["parameters"]["learning_rate"] for item in items]


def edit(api: httpx.Client, job: str, **body: Any) -> httpx.Response:
    return api.post(f"/v1/jobs/{job}/edit", json=body)


def test_a_running_job_is_edited_and_a_driver_that_dies_comes_to_the_same(
    api: httpx.Client, database: Database
) -> None:
    sends = {4: {"space": NARROW}, 6: {"space": {"learning_rate": {"low": 0.07, "high": 0.08}}}}
    body = PAIR | {"budget": {"trials": 14, "epochs_per_trial": 9}}
    whole = submitted(database, **body)
    drive(database, whole, Editing(api, whole, sends))
    shown = api.get(f"/v1/jobs/{whole}").json()
    assert shown["state"] == "succeeded"
    rounds = [item["round"] for item in shown["edits"]]
    assert rounds == [3, 5]
    assert [item["space"] for item in shown["edits"]] == [send["space"] for send in sends.values()]
    events = api.get(f"/v1/jobs/{whole}/events", headers={"accept": "application/json"}).json()["items"]
    notes = [item["data"] for item in events if item["type"] == "note" and item["data"]["code"] == "edit"]
    first, second = (note["trial"] for note in notes)
    assert [f"from trial {note['trial']} on" in note["message"] for note in notes] == [True, True]
    found = rates(api, whole)
    assert all(0.05 <= rate <= 0.06 for rate in found[first:second])
    assert all(0.07 <= rate <= 0.08 for rate in found[second:])
    assert 0 < first < second < 14

    for dies_at in (5, 7):
        job = submitted(database, **body)
        with pytest.raises(Death):
            drive(database, job, Editing(api, job, sends, dies_at))
        left = {look: body for look, body in sends.items() if look >= dies_at}
        with database.writing() as session:
            session.execute(update(Job).where(Job.id == job).values(state="queued", lease_expires_at=None))
            n_rounds = session.get_one(Job, job).n_rounds
        # The first look is before the first round or, of a record, at its last one.
        again = {look - n_rounds: body for look, body in left.items()}
        drive(database, job, Editing(api, job, again))
        assert [item["round"] for item in job_of(api, job)["edits"]] == rounds
        assert rows_of(database, job) == rows_of(database, whole), f"died at {dies_at}"


def test_a_job_in_the_queue_is_edited_before_its_first_trial(api: httpx.Client, database: Database) -> None:
    job = submitted(database, **PAIR)
    answer = edit(api, job, space=NARROW)
    assert answer.status_code == 200, answer.text
    (asked,) = answer.json()["edits"]
    assert (asked["number"], asked["round"], asked["space"], asked["constraints"]) == (1, None, NARROW, None)
    assert answer.json()["state"] == "queued"
    drive(database, job)
    assert all(0.05 <= rate <= 0.06 for rate in rates(api, job))
    shown = job_of(api, job)
    assert [item["round"] for item in shown["edits"]] == [0]
    assert shown["spec"]["space"]["learning_rate"] == {"type": "float", "low": 0.05, "high": 0.06}
    assert shown["resolved_spec"]["space"]["learning_rate"]["low"] == 1e-3
    assert [item["edits"] for item in api.get("/v1/jobs").json()["items"]] == [shown["edits"]]


def test_a_paused_job_is_edited_twice_and_a_clone_takes_over_the_newest_space(
    api: httpx.Client, database: Database
) -> None:
    job = submitted(database, **PAIR)
    drive(database, job, Wish("pause", at_poll=4))
    begun = len(rates(api, job))
    assert edit(api, job, space=NARROW).status_code == 200
    assert edit(api, job, space={"learning_rate": {"low": 0.01, "high": 0.02}}).status_code == 200
    assert edit(api, job, constraints=["learning_rate >= 0.015"]).status_code == 200
    assert api.post(f"/v1/jobs/{job}/resume").status_code == 200
    drive(database, job)
    assert begun < 9
    assert all(0.015 <= rate <= 0.02 for rate in rates(api, job)[begun:])
    shown = job_of(api, job)
    assert [(item["number"], item["round"]) for item in shown["edits"]] == [(1, 4), (2, 4), (3, 4)]
    clone = api.post(f"/v1/jobs/{job}/clone").json()
    assert clone["resolved_spec"]["space"]["learning_rate"]["low"] == 0.01
    assert clone["resolved_spec"]["constraints"] == ["learning_rate >= 0.015"]
    assert clone["edits"] == []
    assert api.post(f"/v1/jobs/{clone['id']}/cancel").status_code == 200
    warm = api.post(f"/v1/jobs/{job}/clone", json={"warm_start": {"jobs": [job], "best": 1}})
    assert warm.status_code == 201, warm.text
    points = warm.json()["resolved_spec"]["points"]
    assert all(0.01 <= point["learning_rate"] <= 0.02 for point in points)


def test_an_edited_job_is_extended_like_any_other(api: httpx.Client, database: Database) -> None:
    sends = {4: {"space": NARROW}}
    job = submitted(database, **PAIR)
    drive(database, job, Editing(api, job, sends))
    assert api.post(f"/v1/jobs/{job}/extend", json={"trials": 14}).status_code == 200
    drive(database, job)
    whole = submitted(database, **PAIR | {"budget": {"trials": 14, "epochs_per_trial": 9}})
    drive(database, whole, Editing(api, whole, sends))
    assert rows_of(database, job) == rows_of(database, whole)
    assert len(rates(api, job)) == 14


@pytest.mark.parametrize(
    ("changes", "body", "path", "words"),
    [
        ({}, {}, "space", "says nothing"),
        ({}, {"space": {"learning_rate": {"low": 0.2}}}, "space.learning_rate.low", "0.2"),
        ({}, {"space": {"learning_rate": {"low": "x"}}}, "space.learning_rate.low", "number"),
        ({}, {"space": {"learning_rate": None}}, "space", "at least one"),
        ({}, {"space": {"units": {"type": "int", "low": 2, "high": 8}}}, "space.units", "is fixed at 4 in this job"),
        (
            {},
            {"space": {"momentum": {"type": "float", "low": 0, "high": 0.9}}},
            "space.momentum",
            "clone the job with this change to search it",
        ),
        (
            {},
            {"space": {"learning_rat": {"type": "float", "low": 0, "high": 1}}},
            "space.learning_rat",
            "learning_rate",
        ),
        ({}, {"constraints": ["learning_rate >= 5"]}, "constraints.0", "satisfies it"),
        ({}, {"space": {"learning_rate": {"low": 1e-3}}}, "space", "changes nothing"),
        ({}, {"fixed": {"units": 5}}, "fixed", "not known"),
        ({"algorithm": {"kind": "random"}, "scheduler": {"kind": "pbt"}}, {"space": NARROW}, "scheduler.kind", "clone"),
        (
            {"algorithm": {"kind": "evolution", "inherit_weights": True}},
            {"space": NARROW},
            "algorithm.inherit_weights",
            "inherit weights",
        ),
        (
            {"schedule": [{"epochs": 3, "parameters": {"learning_rate": 0.01}}], "space": None, "budget": {}},
            {"space": NARROW},
            "schedule",
            "follows a schedule",
        ),
        (
            {"algorithm": {"kind": "grid"}, "space": {"units": {"type": "choice", "values": [2, 3]}}, "fixed": {}},
            {"space": {"units": {"values": [2, 3, 4]}}},
            "algorithm.kind",
            "grid goes through the points of the space that it began with",
        ),
    ],
)
def test_a_bad_edit_is_refused_by_name_and_nothing_is_lost(
    api: httpx.Client, database: Database, changes: dict[str, Any], body: dict[str, Any], path: str, words: str
) -> None:
    job = submitted(database, **({"parallelism": None} if "scheduler" in changes else {}) | changes)
    before = job_of(api, job)
    assert before["takes_edits"] is (
        path not in ("algorithm.kind", "algorithm.inherit_weights", "scheduler.kind", "schedule")
    )
    answer = edit(api, job, **body)
    assert answer.status_code == 422, answer.text
    problems = {problem["path"]: problem["message"] for problem in answer.json()["errors"]}
    assert path in problems, problems
    assert words in problems[path]
    assert job_of(api, job) == before
    with database.reading() as session:
        assert session.scalars(select(Command)).all() == []


def test_what_a_parameter_decides_may_not_fall_out_of_the_search(api: httpx.Client, database: Database) -> None:
    space = {
        "optimizer": {"type": "choice", "values": ["sgd", "adam"]},
        "momentum": {"type": "float", "low": 0.0, "high": 0.9},
    }
    job = submitted(database, space=space, fixed={"units": 4})
    answer = edit(api, job, space={"optimizer": {"values": ["adam", "adamw"]}})
    assert answer.status_code == 422
    assert "space.momentum" in answer.json()["errors"][0]["path"]


def test_parameters_of_the_preset_by_default_are_edited_whole(api: httpx.Client, database: Database) -> None:
    job = submitted(database, space=None, fixed={})
    units = {"type": "int", "low": 16, "high": 32}
    answer = edit(api, job, space={"units": units, "hidden_layers": {"type": "int", "low": 1, "high": 2}})
    assert answer.status_code == 200, answer.text
    assert answer.json()["spec"]["preset"] == "default"
    clone = api.post(f"/v1/jobs/{job}/clone").json()
    assert clone["resolved_spec"]["space"].keys() == answer.json()["resolved_spec"]["space"].keys()
    assert clone["resolved_spec"]["space"]["units"]["high"] == 32


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        (JobState.SUCCEEDED, JobReason.TRIALS_DONE, "has ended (succeeded); clone"),
        (JobState.CANCELLED, JobReason.USER_CANCELLED, "has ended (cancelled); clone"),
        (JobState.FAILED, JobReason.STORAGE_FULL, "resume it, then edit it"),
    ],
)
def test_a_job_that_has_ended_is_not_edited(
    api: httpx.Client, database: Database, state: JobState, reason: JobReason, words: str
) -> None:
    job = submitted(database)
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == job).values(state=state, reason=reason))
    answer = edit(api, job, space=NARROW)
    assert (answer.status_code, code_of(answer)) == (409, "wrong-state")
    assert words in answer.json()["detail"]
    assert job_of(api, job)["edits"] == []
    assert code_of(edit(api, "j_none", space=NARROW)) == "not-found"


def test_a_job_whose_trials_have_all_begun_is_not_edited(api: httpx.Client, database: Database) -> None:
    job = submitted(database, scheduler={"kind": "fifo"}, parallelism=5)
    drive(database, job, Wish("pause", at_poll=2))
    answer = edit(api, job, space=NARROW)
    assert (answer.status_code, code_of(answer)) == (409, "wrong-state")
    assert "extend" in answer.json()["detail"]
    assert api.post(f"/v1/jobs/{job}/extend", json={"trials": 7}).status_code == 200
    assert edit(api, job, space=NARROW).status_code == 200
    drive(database, job)
    assert all(0.05 <= rate <= 0.06 for rate in rates(api, job)[5:])


def test_a_job_that_is_trained_outside_is_edited_while_its_driver_waits(
    api: httpx.Client, settings: Settings, database: Database
) -> None:
    with driving(settings):
        job = submit(api, algorithm=None, budget={"trials": 8, "epochs_per_trial": 3})
        client = Client(api, job)
        begun = client.one()["trial"]
        await_state(api, job, "running")
        answer = edit(api, job, space={"learning rate": {"low": 0.5}})
        assert answer.status_code == 200, answer.text
        wait_until(lambda: job_of(api, job)["edits"][0]["round"] is not None, 20, "the driver takes the edit")
        n_begun = len(trials_of(api, job))
        assert begun < n_begun < 8
        client.work(loss)
        assert await_state(api, job, "succeeded")["progress"]["done"] == 8
    found = [trial["parameters"]["learning rate"] for trial in trials_of(api, job)]
    assert all(rate >= 0.5 for rate in found[n_begun:])
    other = submit(api)
    unknown = edit(api, other, space={"gamma": {"type": "float", "low": 0, "high": 1}})
    assert unknown.status_code == 422
    assert "allowed: learning rate, kernel, degree" in unknown.json()["errors"][0]["message"]
    with database.reading() as session:
        assert [row.kind for row in session.scalars(select(Journal))] == ["edit"]
