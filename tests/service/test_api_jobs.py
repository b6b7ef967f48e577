"""Jobs over HTTP: submitted once, listed, steered, deleted."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest

from search.trial import JobReason, JobState
from service.database import Database
from service.examples import JOB_EXAMPLES
from service.leases import Leases
from service.queries.jobs import list_commands
from tests.service.facts import submit


def code_of(answer: httpx.Response) -> str:
    """The problem type of an answer."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return str(answer.json()["type"]).removeprefix("/problems/")


@pytest.mark.parametrize("name", JOB_EXAMPLES)
def test_every_example_of_the_documentation_is_accepted_and_previewed(api: httpx.Client, name: str) -> None:
    body = JOB_EXAMPLES[name]["value"]
    planned = api.post("/v1/jobs/preview", json=body)
    assert planned.status_code == 200, planned.text
    answer = api.post("/v1/jobs", json=body)
    assert answer.status_code == 201, answer.text
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["state"], job["reason"]) == ("queued", "submitted")
    assert job["spec"] == body
    assert job["resolved_spec"] == planned.json()["resolved_spec"]
    assert job["progress"] == {"trials": planned.json()["trials"], "done": 0, "epochs": 0, "seconds": 0.0}
    assert job["best"] is None
    assert api.get(f"/v1/jobs/{job['id']}").json() == job


def test_a_preview_stores_nothing(api: httpx.Client) -> None:
    api.post("/v1/jobs/preview", json={"dataset": "iris"})
    assert api.get("/v1/jobs").json()["items"] == []


def test_the_same_key_and_body_answer_with_the_same_job(api: httpx.Client) -> None:
    headers = {"Idempotency-Key": "k-1"}
    first = api.post("/v1/jobs", json={"dataset": "iris"}, headers=headers)
    again = api.post("/v1/jobs", json={"dataset": "iris"}, headers=headers)
    other = api.post("/v1/jobs", json={"dataset": "wine"}, headers=headers)
    assert first.json()["id"] == again.json()["id"]
    assert again.status_code == 201
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status_code, code_of(other)) == (409, "idempotency-conflict")
    assert len(api.get("/v1/jobs").json()["items"]) == 1


def test_submits_with_one_key_at_the_same_moment_make_one_job(api: httpx.Client) -> None:
    ids: list[str] = []
    start = threading.Barrier(6)

    def send() -> None:
        start.wait()
        answer = httpx.post(f"{api.base_url}/v1/jobs", json={"dataset": "iris"}, headers={"Idempotency-Key": "k"})
        ids.append(answer.json()["id"])

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 6
    assert len(set(ids)) == 1


def test_lists_are_paged_newest_first_and_filtered_by_state_and_label(api: httpx.Client, database: Database) -> None:
    made = [submit(database, labels={"team": "a" if n % 2 else "b", "n": str(n)}) for n in range(5)]
    api.post(f"/v1/jobs/{made[1]}/cancel")
    seen, cursor = [], None
    while True:
        page = api.get("/v1/jobs", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen.extend(job["id"] for job in page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == made[::-1]

    def ids(**params: Any) -> list[str]:
        return [job["id"] for job in api.get("/v1/jobs", params=params).json()["items"]]

    assert ids(label="team:a") == [made[3], made[1]]
    assert ids(label=["team:a", "n:3"]) == [made[3]]
    assert ids(label="n") == made[::-1]
    assert ids(label="other") == []
    assert ids(state="cancelled") == [made[1]]
    assert ids(state=["cancelled", "queued"], label="team:a") == [made[3], made[1]]


def test_a_queued_job_pauses_resumes_and_cancels_at_once(api: httpx.Client, database: Database) -> None:
    path = f"/v1/jobs/{submit(database)}"
    states = [api.post(f"{path}/{verb}").json() for verb in ("pause", "resume", "cancel")]
    assert [(job["state"], job["reason"]) for job in states] == [
        ("paused", "user_paused"),
        ("queued", "user_resumed"),
        ("cancelled", "user_cancelled"),
    ]
    assert states[-1]["ended_at"] is not None
    refused = api.post(f"{path}/resume")
    assert (refused.status_code, code_of(refused)) == (409, "wrong-state")
    assert "ended" in refused.json()["detail"]


def test_a_running_job_is_steered_by_commands(api: httpx.Client, database: Database) -> None:
    job_id = submit(database)
    leases = Leases(database, 15)
    claimed = leases.claim_next("r1")
    assert claimed is not None
    for verb in ("pause", "pause", "cancel"):
        answer = api.post(f"/v1/jobs/{job_id}/{verb}")
        assert (answer.status_code, answer.json()["state"]) == (200, "running")
    with database.reading() as session:
        assert [command.kind for command in list_commands(session, job_id)] == ["pause", "cancel"]
    assert code_of(api.post(f"/v1/jobs/{job_id}/resume")) == "wrong-state"
    assert code_of(api.delete(f"/v1/jobs/{job_id}")) == "wrong-state"
    leases.release(claimed, JobState.FAILED, JobReason.SCHEDULER_STUCK)
    assert api.post(f"/v1/jobs/{job_id}/resume").json()["state"] == "queued"


def test_an_ended_job_can_be_deleted_with_all_that_is_its_own(api: httpx.Client, database: Database) -> None:
    path = f"/v1/jobs/{submit(database)}"
    api.post(f"{path}/cancel")
    assert api.delete(path).status_code == 204
    assert code_of(api.get(path)) == "not-found"
    assert code_of(api.get(f"{path}/events")) == "not-found"


def test_name_and_labels_can_be_changed(api: httpx.Client, database: Database) -> None:
    path = f"/v1/jobs/{submit(database, labels={'team': 'a'})}"
    assert api.patch(path, json={"name": " second try "}).json()["name"] == "second try"
    job = api.patch(path, json={"labels": {"team": "b", "cost.center": "7"}}).json()
    assert (job["name"], job["labels"]) == ("second try", {"team": "b", "cost.center": "7"})
    assert [found["id"] for found in api.get("/v1/jobs?label=cost.center:7").json()["items"]] == [job["id"]]
    refused = api.patch(path, json={"nmae": "x"})
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "nmae")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/jobs/j_none"),
        ("PATCH", "/v1/jobs/j_none"),
        ("DELETE", "/v1/jobs/j_none"),
        ("POST", "/v1/jobs/j_none/pause"),
        ("POST", "/v1/jobs/j_none/clone"),
        ("GET", "/v1/jobs/j_none/trials"),
        ("GET", "/v1/jobs/j_none/best"),
        ("GET", "/v1/jobs/j_none/models"),
        ("GET", "/v1/models/m_none"),
        ("GET", "/v1/models/m_none/download"),
        ("POST", "/v1/models/m_none/predict"),
        ("GET", "/v1/datasets/d_none"),
        ("DELETE", "/v1/datasets/d_none"),
        ("GET", "/v1/nothing"),
        ("GET", "/problems/none"),
    ],
)
def test_what_is_not_there_is_a_problem_that_says_so(api: httpx.Client, method: str, path: str) -> None:
    answer = api.request(method, path, json={"rows": [{}]} if path.endswith("predict") else None)
    if method == "PATCH":
        answer = api.request(method, path, json={"name": "x"})
    assert (answer.status_code, code_of(answer)) == (404, "not-found")


def test_wrong_methods_are_problems_too(api: httpx.Client) -> None:
    answer = api.put("/v1/jobs")
    assert (answer.status_code, code_of(answer)) == (405, "method-not-allowed")
    assert answer.headers["allow"]
