"""`POST /v1/spaces/import`: what it answers is a job that runs, on both databases."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from search.discovery import FORMATS
from service.settings import Settings
from tests.search import foreign_specs as specs
from tests.service.outside import Client, await_state, driving, trials_of


def import_spec(api: httpx.Client, document: Any, **more: Any) -> dict[str, Any]:
    answer = api.post("/v1/spaces/import", json={"document": document, **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def refuse(api: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = api.post("/v1/spaces/import", json=body)
    assert answer.status_code == 422, answer.text
    return dict(answer.json()) | {"paths": [error["path"] for error in answer.json().get("errors", [])]}


@pytest.mark.parametrize("name", specs.IMPORTED)
def test_what_is_imported_is_previewed_as_it_stands(api: httpx.Client, name: str) -> None:
    imported = import_spec(api, specs.IMPORTED[name])
    plan = api.post("/v1/jobs/preview", json=imported["job"])
    assert plan.status_code == 200, plan.text
    assert set(plan.json()["resolved_spec"]["space"]) == set(imported["job"]["space"])


def test_objectives_and_limits_of_a_study_decide_about_its_trials(api: httpx.Client, settings: Settings) -> None:
    job = import_spec(api, specs.VERTEX_SAFETY)["job"]
    plan = api.post("/v1/jobs/preview", json=job).json()["resolved_spec"]
    assert [plan["objective"], *plan["further_objectives"]] == job["objective"]
    assert plan["limits"] == [{"metric": "outcome_3", "at_most": None, "at_least": 0}]
    values = {0: (5, 1, 0), 1: (9, 1, -1), 2: (6, 2, 1), 3: (4, 2, 3)}
    with driving(settings):
        job_id = api.post("/v1/jobs", json=job | {"budget": {"trials": 4, "epochs_per_trial": 1}}).json()["id"]
        client = Client(api, job_id)
        while not (asked := client.ask(wait_seconds=2))["ended"]:
            for trial in asked["trials"]:
                told = dict(zip(("outcome_1", "outcome_2", "outcome_3"), values[trial["trial"]], strict=True))
                client.tell(trial["trial"], step=1, values=told)
        await_state(api, job_id, "succeeded")
    trials = {trial["number"]: trial for trial in trials_of(api, job_id)}
    assert [number for number in trials if trials[number]["front"]] == [0, 2]
    assert [number for number in trials if not trials[number]["feasible"]] == [1]
    assert trials[1]["broken"] == {"outcome_3": 1}
    assert api.get(f"/v1/jobs/{job_id}/best").json()["trial"]["number"] == 2


def test_an_imported_study_is_run_by_ask_and_tell(api: httpx.Client, settings: Settings) -> None:
    imported = import_spec(api, specs.VERTEX_CONDITIONAL, format="vertex")
    assert {note["path"] for note in imported["notes"]} == {"trialJobSpec", ""}
    job = imported["job"] | {"budget": {"trials": 12, "epochs_per_trial": 1}}
    with driving(settings):
        job_id = api.post("/v1/jobs", json=job).json()["id"]
        client = Client(api, job_id)
        while not (asked := client.ask(wait_seconds=2))["ended"]:
            for trial in asked["trials"]:
                assert len(trial["parameters"]) == (1 if trial["parameters"]["batch_size"] == 128 else 2)
                value = trial["parameters"]["batch_size"] / 128
                assert client.tell(trial["trial"], step=1, values={"val_rmse": value})["action"] == "stop"
        await_state(api, job_id, "succeeded")
    objectives = [trial["objective"] for trial in trials_of(api, job_id)]
    assert len(objectives) == 12
    assert api.get(f"/v1/jobs/{job_id}/best").json()["trial"]["objective"] == min(objectives)


@pytest.mark.parametrize("document", [specs.KATIB_HYPERBAND, specs.KATIB_MEDIAN_STOP_YAML], ids=["hyperband", "median"])
def test_what_stops_trials_early_in_katib_does_so_here(api: httpx.Client, settings: Settings, document: Any) -> None:
    job = import_spec(api, document)["job"]
    job["budget"] |= {"trials": 9, "epochs_per_trial": 3, "stop_at": None}
    n_tells = 0
    with driving(settings):
        job_id = api.post("/v1/jobs", json=job).json()["id"]
        client = Client(api, job_id)
        while not (asked := client.ask(wait_seconds=2))["ended"]:
            for trial in asked["trials"]:
                n_tells += 1
                value = {"Validation-accuracy": trial["parameters"]["lr"]}
                client.tell(trial["trial"], step=trial["step"] + 1, values=value)
        await_state(api, job_id, "succeeded")
    trials = trials_of(api, job_id)
    assert len(trials) == 9
    assert n_tells < 9 * 3
    assert "scheduler_stopped" in {trial["reason"] for trial in trials}


def test_paths_of_what_is_refused_lead_into_the_body(api: httpx.Client) -> None:
    document = specs.katib("pbt")
    assert refuse(api, document=document)["paths"] == ["document.spec.algorithm.algorithmName"]
    assert refuse(api, document={"a": 1})["paths"] == ["format"]
    assert refuse(api, document=document, format="talos")["paths"] == ["format"]
    assert refuse(api, document="a: [1", format="katib")["paths"] == ["document"]
    assert refuse(api, document={"a\x00": 1})["type"] == "/problems/invalid-request"
    assert refuse(api, document="a: 1", fromat="katib")["paths"] == ["fromat"]


def test_what_is_read_but_cannot_run_is_refused_with_the_path_in_the_job(api: httpx.Client) -> None:
    steps = specs.katib("hyperband", {"resource_name": "epochs", "r_l": "9", "eta": "1.5"})
    assert refuse(api, document=steps)["paths"] == ["job.scheduler.reduction_factor"]
    assert refuse(api, document=specs.VERTEX_SDK | {"labels": {"": "x"}})["paths"] == ["job.labels."]
    infinite = '{"x": {"name": "CategoricalDistribution", "attributes": {"choices": [1e999, 1]}}}'
    assert refuse(api, document=infinite)["status"] == 422


def test_the_catalog_lists_every_format_with_an_example_that_imports(api: httpx.Client) -> None:
    listed = api.get("/v1/catalog").json()["imports"]
    assert [entry["kind"] for entry in listed] == list(FORMATS)
    for entry in listed:
        assert import_spec(api, entry["example"])["format"] == entry["kind"]
        assert entry["about"].endswith(".")
