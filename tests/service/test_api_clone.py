"""Jobs made from jobs over HTTP: clones with edits, and the link to their parent."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from search.trial import JobReason, JobState
from service.bodies import merge_patch
from service.database import Database
from service.examples import JOB_EXAMPLES, PATCH_EXAMPLES
from service.leases import Leases
from tests.service.test_api_jobs import code_of

BODY = JOB_EXAMPLES["random"]["value"]


def submitted(api: httpx.Client, body: dict[str, Any] = BODY) -> dict[str, Any]:
    answer = api.post("/v1/jobs", json=body)
    assert answer.status_code == 201, answer.text
    job: dict[str, Any] = answer.json()
    return job


def test_a_clone_is_the_same_job_again_and_names_its_parent(api: httpx.Client) -> None:
    parent = submitted(api)
    answer = api.post(f"/v1/jobs/{parent['id']}/clone")
    assert answer.status_code == 201, answer.text
    clone = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{clone['id']}"
    assert clone["id"] != parent["id"]
    assert (clone["parent"], parent["parent"]) == (parent["id"], None)
    assert (clone["state"], clone["name"]) == ("queued", BODY["name"])
    assert clone["resolved_spec"] == parent["resolved_spec"]
    assert clone["spec"] == BODY | {"parent": parent["id"]}


def test_edits_change_what_they_name_and_null_takes_it_away(api: httpx.Client) -> None:
    parent = submitted(api)
    rate = {"low": 1e-3}
    edits = {"seed": None, "budget": {"trials": 8}, "space": {"learning_rate": rate, "hidden_layers": None}}
    clone = api.post(f"/v1/jobs/{parent['id']}/clone", json=edits).json()
    assert clone["spec"]["budget"] == {"trials": 8, "epochs_per_trial": 10}
    assert clone["spec"]["space"] == {
        "units": BODY["space"]["units"],
        "learning_rate": BODY["space"]["learning_rate"] | rate,
    }
    assert clone["resolved_spec"]["seed"] == 0
    assert clone["progress"]["trials"] == 8


@pytest.mark.parametrize("name", PATCH_EXAMPLES)
def test_every_example_of_the_documentation_is_accepted(api: httpx.Client, name: str) -> None:
    parent = submitted(api, JOB_EXAMPLES["hyperband"]["value"])
    answer = api.post(f"/v1/jobs/{parent['id']}/clone", json=PATCH_EXAMPLES[name]["value"])
    assert answer.status_code == 201, answer.text


def test_a_clone_takes_over_a_name_and_labels_that_were_changed_since(api: httpx.Client) -> None:
    parent = submitted(api)
    api.patch(f"/v1/jobs/{parent['id']}", json={"name": "second try", "labels": {"team": "b"}})
    clone = api.post(f"/v1/jobs/{parent['id']}/clone").json()
    assert (clone["name"], clone["labels"]) == ("second try", {"team": "b"})


@pytest.mark.parametrize("end", ["queued", "running", "paused", "cancelled", "failed"])
def test_a_job_in_any_state_can_be_cloned(api: httpx.Client, database: Database, end: str) -> None:
    parent = submitted(api)
    leases = Leases(database, 15)
    if end in ("running", "failed"):
        claim = leases.claim_next("r1")
        assert claim is not None
        if end == "failed":
            leases.release(claim, JobState.FAILED, JobReason.REPLAY_MISMATCH, "a library was upgraded")
    if end in ("paused", "cancelled"):
        api.post(f"/v1/jobs/{parent['id']}/{end.removesuffix('led').removesuffix('d')}")
    assert api.get(f"/v1/jobs/{parent['id']}").json()["state"] == end
    clone = api.post(f"/v1/jobs/{parent['id']}/clone").json()
    assert (clone["state"], clone["parent"]) == ("queued", parent["id"])
    assert api.get(f"/v1/jobs/{parent['id']}").json()["state"] == end


def test_the_link_stays_when_the_parent_is_deleted(api: httpx.Client) -> None:
    parent = submitted(api)["id"]
    clone = api.post(f"/v1/jobs/{parent}/clone").json()["id"]
    api.post(f"/v1/jobs/{parent}/cancel")
    assert api.delete(f"/v1/jobs/{parent}").status_code == 204
    assert api.get(f"/v1/jobs/{clone}").json()["parent"] == parent
    again = api.post(f"/v1/jobs/{clone}/clone")
    assert (again.status_code, again.json()["parent"]) == (201, clone)


def test_one_key_makes_one_clone(api: httpx.Client) -> None:
    path, headers = f"/v1/jobs/{submitted(api)['id']}/clone", {"Idempotency-Key": "k-1"}
    first, again = (api.post(path, json={"seed": 1}, headers=headers) for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    other = api.post(path, json={"seed": 2}, headers=headers)
    assert (other.status_code, code_of(other)) == (409, "idempotency-conflict")


@pytest.mark.parametrize(
    ("edits", "path"),
    [
        ([], None),
        ("seed", None),
        ({"parent": "j_1"}, "parent"),
        ({"sed": 1}, "sed"),
        ({"seed": -1}, "seed"),
        ({"space": {"learning_rate": {"low": 1.0}}}, "space.learning_rate.low"),
        ({"dataset": None}, "dataset"),
        ({"dataset": "nothing"}, "dataset"),
    ],
)
def test_edits_that_make_no_job_are_refused_and_leave_nothing(api: httpx.Client, edits: Any, path: str | None) -> None:
    parent = submitted(api)
    answer = api.post(f"/v1/jobs/{parent['id']}/clone", json=edits)
    assert answer.status_code == 422, answer.text
    assert [error["path"] for error in answer.json().get("errors", [])] == ([path] if path else [])
    assert len(api.get("/v1/jobs").json()["items"]) == 1


def test_a_submission_may_name_its_parent_if_that_is_there(api: httpx.Client) -> None:
    parent = submitted(api)["id"]
    assert submitted(api, BODY | {"parent": parent, "early_stopping": None})["parent"] == parent
    for path in ("/v1/jobs", "/v1/jobs/preview"):
        answer = api.post(path, json=BODY | {"parent": "j_none"})
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "parent")


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_patches_merge_as_in_the_test_cases_of_their_rfc(target: Any, patch: Any, expected: Any) -> None:
    assert merge_patch(target, patch) == expected
