"""The memory of a population over HTTP: who copied whom, a winner's schedule, and the job that follows it again."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from models.bundled import bundled_table
from models.prepare import prepare
from service.database import Database
from service.leases import Leases
from service.queries.jobs import get_job
from service.recorder import Recorder
from tests.service.test_api_jobs import code_of
from tests.workers.races import Nobody
from workers.fleet import Fleet
from workers.local_seat import LocalSeat
from workers.pack_host import Lease
from workers.resolved import ResolvedJob
from workers.run import JobRun, run_job
from workers.sink import Record

POPULATION = {
    "name": "a population",
    "dataset": "diabetes",
    "fixed": {"units": 8, "hidden_layers": 1},
    "space": {
        "learning_rate": {"type": "float", "low": 1e-4, "high": 0.1, "log": True},
        "dropout": {"type": "float", "low": 0.0, "high": 0.5},
        "activation": {"type": "choice", "values": ["relu", "tanh"]},
    },
    "scheduler": {"kind": "pbt", "perturbation_interval": 3},
    "budget": {"trials": 10, "epochs_per_trial": 18},
    "seed": 5,
}


def run(api: httpx.Client, database: Database, body: dict[str, Any]) -> str:
    """Submit a job and run it in this process; answer its id."""
    answer = api.post("/v1/jobs", json=body)
    assert answer.status_code == 201, answer.text
    claim = Leases(database, 60).claim_next("r1")
    assert claim is not None
    with database.reading() as session:
        row = get_job(session, claim.job_id)
        assert row is not None
        job = ResolvedJob.model_validate(row.resolved_spec)
    prepared = prepare(bundled_table(job.dataset), job.prepare_request())
    with Recorder(database, claim, watch=job.watch) as recorder:
        end = run_job(JobRun(Lease("j"), job, prepared, Fleet([LocalSeat("s")]), recorder, Record(), Nobody()))
    Leases(database, 60).release(claim, end.state, end.reason, end.detail)
    return claim.job_id


@pytest.fixture
def population(api: httpx.Client, database: Database) -> str:
    return run(api, database, POPULATION)


def test_the_winner_of_a_population_is_trained_again_by_the_job_that_its_schedule_names(
    api: httpx.Client, database: Database, population: str
) -> None:
    winner = api.get(f"/v1/jobs/{population}/best").json()
    number = winner["trial"]["number"]
    schedule = api.get(f"/v1/jobs/{population}/trials/{number}/schedule").json()
    passages = schedule["passages"]
    assert (schedule["trial"], schedule["epoch"]) == (number, winner["trial"]["best_epoch"])
    assert [passage["first_epoch"] for passage in passages] == [1, *(p["last_epoch"] + 1 for p in passages[:-1])]
    assert passages[-1]["last_epoch"] == schedule["epoch"]
    assert len(passages) > 1, "the winner copied nobody: the test shows little"
    assert [passage["copied_from"] for passage in passages] == [None, *(p["trial"] for p in passages[:-1])]
    assert [passage["round"] is None for passage in passages] == [True] + [False] * (len(passages) - 1)

    again = run(api, database, schedule["replay"])
    replayed = api.get(f"/v1/jobs/{again}/best").json()
    shown = api.get(f"/v1/jobs/{again}").json()
    assert (shown["state"], shown["progress"]["trials"]) == ("succeeded", 1)
    assert shown["name"] == f"a population, trial {number} again"
    assert replayed["trial"]["objective"] == schedule["objective"] == winner["trial"]["objective"]
    assert replayed["model"]["metrics"] == winner["model"]["metrics"]
    assert replayed["model"]["test_metrics"] == winner["model"]["test_metrics"]
    second = api.get(f"/v1/jobs/{again}/trials/0/schedule").json()
    assert [p["parameters"] for p in second["passages"]] == [p["parameters"] for p in passages]
    assert second["replay"]["schedule"] == schedule["replay"]["schedule"]


def test_the_lineage_lists_every_copy_with_its_round_in_pages(api: httpx.Client, population: str) -> None:
    copies = api.get(f"/v1/jobs/{population}/lineage").json()["items"]
    assert len(copies) > 3
    for copy in copies:
        detail = api.get(f"/v1/jobs/{population}/trials/{copy['trial']}").json()
        segment = detail["segments"][copy["segment"]]
        assert (segment["source_trial"], segment["source_epoch"]) == (copy["source_trial"], copy["source_epoch"])
        assert segment["parameters"] == copy["parameters"]
        reports = api.get(f"/v1/jobs/{population}/trials/{copy['trial']}/reports").json()["items"]
        assert reports[segment["sequence"] - 1]["round"] == copy["round"]
        assert copy["source_trial"] != copy["trial"]
    page = api.get(f"/v1/jobs/{population}/lineage", params={"limit": 2}).json()
    paged = page["items"]
    while page["next_cursor"]:
        page = api.get(f"/v1/jobs/{population}/lineage", params={"limit": 2, "cursor": page["next_cursor"]}).json()
        paged += page["items"]
    assert paged == copies


def test_who_inherits_from_whom_is_listed_and_the_winner_trained_again_through_its_ancestors(
    api: httpx.Client, database: Database
) -> None:
    genes = {
        "hidden_layers": {"type": "int", "low": 1, "high": 3},
        "units": {"type": "int", "low": 2, "high": 30},
        "learning_rate": {"type": "float", "low": 1e-4, "high": 0.1, "log": True},
    }
    algorithm = {"kind": "evolution", "population_size": 4, "inherit_weights": True}
    race = {"algorithm": algorithm, "scheduler": {"kind": "fifo"}, "parallelism": 2}
    budget = {"trials": 14, "epochs_per_trial": 4}
    job = run(api, database, {**POPULATION, "fixed": {}, "space": genes, **race, "budget": budget})
    copies = api.get(f"/v1/jobs/{job}/lineage").json()["items"]
    assert len(copies) > 7
    for copy in copies:
        child, parent = (api.get(f"/v1/jobs/{job}/trials/{copy[end]}").json() for end in ("trial", "source_trial"))
        assert (copy["inherits"], copy["segment"], copy["source_epoch"]) == (True, 0, 0)
        assert (child["parent"], child["epochs"], parent["number"] < child["number"]) == (parent["number"], 4, True)
        reports = api.get(f"/v1/jobs/{job}/trials/{parent['number']}/reports").json()["items"]
        assert reports[child["segments"][0]["source_sequence"] - 1]["round"] == copy["round"]
    winner = api.get(f"/v1/jobs/{job}/best").json()
    schedule = api.get(f"/v1/jobs/{job}/trials/{winner['trial']['number']}/schedule").json()
    passages = schedule["passages"]
    assert len(passages) > 1, "the winner inherited nothing: the test shows little"
    assert [passage["inherits"] for passage in passages] == [False] + [True] * (len(passages) - 1)
    assert [passage["first_epoch"] for passage in passages] == [1] * len(passages)
    again = api.get(f"/v1/jobs/{run(api, database, schedule['replay'])}/best").json()
    assert again["trial"]["objective"] == schedule["objective"] == winner["trial"]["objective"]
    assert again["model"]["metrics"] == winner["model"]["metrics"]


def test_a_job_in_which_nobody_copies_has_no_lineage_and_yet_schedules(api: httpx.Client, database: Database) -> None:
    job = run(
        api, database, {**POPULATION, "scheduler": {"kind": "fifo"}, "budget": {"trials": 2, "epochs_per_trial": 4}}
    )
    assert api.get(f"/v1/jobs/{job}/lineage").json() == {"items": [], "next_cursor": None}
    schedule = api.get(f"/v1/jobs/{job}/trials/1/schedule").json()
    assert len(schedule["passages"]) == 1
    again = run(api, database, schedule["replay"])
    assert api.get(f"/v1/jobs/{again}/trials/0").json()["objective"] == schedule["objective"]


def test_what_is_not_there_is_said(api: httpx.Client, database: Database) -> None:
    job = api.post("/v1/jobs", json=POPULATION).json()["id"]
    assert code_of(api.get("/v1/jobs/j_none/lineage")) == "not-found"
    assert code_of(api.get("/v1/jobs/j_none/trials/0/schedule")) == "not-found"
    assert code_of(api.get(f"/v1/jobs/{job}/trials/0/schedule")) == "not-found"
    assert code_of(api.get(f"/v1/jobs/{job}/lineage", params={"cursor": "x"})) == "invalid-request"


def test_a_schedule_that_cannot_be_followed_is_a_problem_that_names_the_stretch(api: httpx.Client) -> None:
    stretches = [{"epochs": 2, "parameters": {"activation": name}} for name in ("relu", "tanh")]
    answer = api.post("/v1/jobs", json={"dataset": "iris", "schedule": stretches})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "schedule.1.parameters.activation"
    plan = api.post("/v1/jobs/preview", json={"dataset": "iris", "schedule": stretches[:1]}).json()
    assert (plan["trials"], plan["epochs_bought"]) == (1, 2)
