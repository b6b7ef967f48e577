"""Datasets over HTTP: uploads, bundled sets, deletion."""

from __future__ import annotations

import gzip
from pathlib import Path

import httpx

from models.bundled import BUNDLED
from search.trial import JobReason, JobState
from service.database import Database
from service.ingest import load_dataset
from service.leases import Leases
from service.settings import Settings
from tests.service.test_api_jobs import code_of

CSV = "age,city,y\n" + "".join(f"{n},{'ab'[n % 2]},{n / 7}\n" for n in range(40)).replace("3,b", ",b")


def upload(api: httpx.Client, name: str = "people", text: str = CSV) -> dict[str, object]:
    """Send a CSV file."""
    answer = api.post("/v1/datasets", files={"file": ("people.csv", text)}, data={"name": name})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_an_upload_is_described_listed_and_readable_by_a_driver(api: httpx.Client, settings: Settings) -> None:
    dataset = upload(api)
    assert (dataset["name"], dataset["rows"], dataset["n_columns"]) == ("people", 40, 3)
    columns = api.get(f"/v1/datasets/{dataset['id']}").json()["columns"]
    assert [(column["name"], column["kind"]) for column in columns] == [
        ("age", "numeric"),
        ("city", "categorical"),
        ("y", "numeric"),
    ]
    assert columns[0]["missing"] > 0
    assert api.get("/v1/datasets").json()["items"][0]["id"] == dataset["id"]
    assert load_dataset(settings.data_dir, str(dataset["sha256"])).schema.rows == 40


def test_a_gzipped_file_without_a_name_is_called_after_its_file(api: httpx.Client) -> None:
    answer = api.post("/v1/datasets", files={"file": ("towns.csv.gz", gzip.compress(CSV.encode()))})
    assert (answer.status_code, answer.json()["name"]) == (201, "towns.csv.gz")


def test_a_path_in_the_name_of_a_file_leads_nowhere(api: httpx.Client, settings: Settings) -> None:
    answer = api.post("/v1/datasets", files={"file": ("../../../evil.csv", CSV)})
    assert answer.json()["name"] == "evil.csv"
    stored = [path.name for path in Path(settings.datasets_dir).iterdir()]
    assert stored == [f"{answer.json()['sha256']}.parquet"]


def test_bundled_sets_are_listed_last_and_know_their_target(api: httpx.Client) -> None:
    upload(api)
    items = api.get("/v1/datasets").json()["items"]
    assert [item["id"] for item in items[1:]] == list(BUNDLED)
    iris = api.get("/v1/datasets/iris").json()
    assert (iris["target"], iris["rows"], iris["bundled"]) == ("species", 150, True)
    assert code_of(api.delete("/v1/datasets/iris")) == "wrong-state"


def test_uploads_come_in_pages(api: httpx.Client) -> None:
    made = [upload(api, f"n{n}")["id"] for n in range(3)]
    first = api.get("/v1/datasets?limit=2").json()
    rest = api.get("/v1/datasets", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [item["id"] for item in first["items"]] == made[:0:-1]
    assert next(item["id"] for item in rest["items"]) == made[0]


def test_a_dataset_that_a_job_needs_stays_until_the_job_has_ended(
    api: httpx.Client, database: Database, settings: Settings
) -> None:
    dataset = upload(api)
    path = f"/v1/datasets/{dataset['id']}"
    job = api.post("/v1/jobs", json={"dataset": dataset["id"], "target": "y"}).json()
    assert job["name"] == "people"
    refused = api.delete(path)
    assert (refused.status_code, code_of(refused)) == (409, "wrong-state")
    assert job["id"] in refused.json()["detail"]
    leases = Leases(database, 15)
    claimed = leases.claim_next("r1")
    assert claimed is not None
    leases.release(claimed, JobState.SUCCEEDED, JobReason.TRIALS_DONE)
    assert api.delete(path).status_code == 204
    assert code_of(api.get(path)) == "not-found"
    assert list(Path(settings.datasets_dir).iterdir()) == []
    assert api.get(f"/v1/jobs/{job['id']}").json()["dataset"] == dataset["id"]


def test_the_bytes_stay_while_another_upload_has_the_same(api: httpx.Client, settings: Settings) -> None:
    first, second = upload(api), upload(api, "again")
    assert first["sha256"] == second["sha256"]
    assert api.delete(f"/v1/datasets/{first['id']}").status_code == 204
    assert load_dataset(settings.data_dir, str(second["sha256"])).schema.rows == 40
