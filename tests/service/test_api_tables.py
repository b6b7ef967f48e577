"""Tables of all kinds of columns over HTTP: upload, submit, predict."""

from __future__ import annotations

from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest

from service.database import Database
from service.ingest import load_dataset
from service.settings import Settings
from tests.service.packages import finish_job
from tests.service.test_api_datasets import upload

KINDS = ["numeric", "categorical", "categorical", "date", "boolean", "categorical"]
CSV = "n,code,when,day,flag,y\n" + "".join(
    f"{n},{'007' if n % 2 else 'A1'},{'never' if n == 5 else '2020-01-31'},2021-{1 + n % 12:02}-03T{n % 24:02}:30Z,"
    f"{'true' if n % 3 else 'false'},{'yes' if n % 4 else 'no'}\n"
    for n in range(60)
)
ROW = {"n": 3, "code": "007", "when": "2020-01-31", "day": "2021-05-03T06:30:00Z", "flag": True}


class Served(NamedTuple):
    """A dataset, and the address of a model that was trained on it."""

    dataset: str
    predict: str


@pytest.fixture
def served(api: httpx.Client, database: Database, settings: Settings) -> Served:
    """A model of a table with columns of every kind."""
    dataset = upload(api, text=CSV)
    table = load_dataset(settings.data_dir, str(dataset["sha256"]))
    job = finish_job(database, str(dataset["id"]), table, target="y")
    model = api.get(f"/v1/jobs/{job.id}/best").json()["model"]["id"]
    return Served(str(dataset["id"]), f"/v1/models/{model}/predict")


def test_a_column_of_dates_is_listed_as_such_and_one_with_other_texts_is_not(api: httpx.Client, served: Served) -> None:
    columns = api.get(f"/v1/datasets/{served.dataset}").json()["columns"]
    assert [column["kind"] for column in columns] == KINDS
    day = columns[3]
    assert (day["minimum"], day["maximum"]) == ("2021-01-03T00:30:00", "2021-12-03T23:30:00")
    assert day["examples"][0] == "2021-01-03T00:30:00"


def test_rows_and_csv_with_dates_and_unseen_categories_get_the_same_answer(api: httpx.Client, served: Served) -> None:
    rows: list[dict[str, Any]] = [ROW, {**ROW, "code": "B2", "day": None, "n": None}]
    answer = api.post(served.predict, json={"rows": rows})
    assert answer.status_code == 200, answer.text
    assert answer.json()["warnings"] == ["code: this model does not know 'B2'"]
    text = "n,code,when,day,flag\n3,007,2020-01-31,2021-05-03 08:30+02:00,true\n,B2,2020-01-31,,true\n"
    csv = api.post(served.predict, content=text, headers={"content-type": "text/csv"}).json()
    assert csv["warnings"] == answer.json()["warnings"]
    given, expected = ([row["probabilities"] for row in reply["predictions"]] for reply in (csv, answer.json()))
    np.testing.assert_array_equal(given, expected)
    assert given[0] != given[1]


@pytest.mark.parametrize("bad", ["03.05.2021", 20210503, "2021-02-30", True])
def test_what_is_no_date_is_refused_by_its_path(api: httpx.Client, served: Served, bad: Any) -> None:
    answer = api.post(served.predict, json={"rows": [ROW, {**ROW, "day": bad}]})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["path"] == "rows[1].day"
    assert "a date as in" in error["message"]


def test_a_csv_column_that_holds_no_dates_is_refused_by_its_path(api: httpx.Client, served: Served) -> None:
    text = "n,code,when,day,flag\n3,007,never,soon,true\n"
    answer = api.post(served.predict, content=text, headers={"content-type": "text/csv"})
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "rows[0].day")


def test_a_date_is_no_target(api: httpx.Client, served: Served) -> None:
    answer = api.post("/v1/jobs", json={"dataset": served.dataset, "target": "day"})
    assert answer.status_code == 422
    assert "holds dates" in str(answer.json()["errors"])
