"""Bad input: refused with the field by name, before any job starts, and nothing is left behind."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.settings import Settings
from tests.service.test_api_jobs import code_of

FLOAT = {"type": "float", "low": 0.001, "high": 0.1, "log": True}
CSV = "x,constant,empty,label,y\n" + "".join(f"{n},1,,{'ab'[n % 2]},{n / 7}\n" for n in range(40))


def space(**parameter: Any) -> dict[str, Any]:
    """A job whose learning rate varies like this."""
    return {"dataset": "iris", "space": {"learning_rate": FLOAT | parameter}}


FIFTY_FOLDS = {"kind": "kfold", "folds": 50}
BAD_JOBS: dict[str, tuple[dict[str, Any], str, str]] = {
    "an unknown field": ({"dataset": "iris", "bugdet": {}}, "bugdet", "budget"),
    "an unknown field deep inside": ({"dataset": "iris", "budget": {"trails": 3}}, "budget.trails", ""),
    "no dataset": ({}, "dataset", "required"),
    "an unknown dataset": ({"dataset": "d_none"}, "dataset", "iris"),
    "a misspelt hyperparameter in the space": (
        {"dataset": "iris", "space": {"learning_rat": FLOAT}},
        "space.learning_rat",
        "learning_rate",
    ),
    "a misspelt hyperparameter in fixed": ({"dataset": "iris", "fixed": {"mometum": 0.9}}, "fixed.mometum", "momentum"),
    "a fixed value out of range": ({"dataset": "iris", "fixed": {"dropout": 1.5}}, "fixed.dropout", "1"),
    "an empty interval": (space(low=0.1, high=0.1), "space.learning_rate", ""),
    "a reversed interval": (space(low=0.1, high=0.01), "space.learning_rate", ""),
    "a logarithm of zero": (space(low=0.0), "space.learning_rate", ""),
    "no choices": (
        {"dataset": "iris", "space": {"activation": {"type": "choice", "values": []}}},
        "space.activation",
        "",
    ),
    "a choice that is none": (
        {"dataset": "iris", "space": {"activation": {"type": "choice", "values": ["relu", "rleu"]}}},
        "space.activation",
        "relu",
    ),
    "a name in both fixed and space": (
        {"dataset": "iris", "fixed": {"learning_rate": 0.1}, "space": {"learning_rate": FLOAT}},
        "learning_rate",
        "",
    ),
    "a condition that can never hold": (
        {
            "dataset": "iris",
            "space": {
                "learning_rate": FLOAT | {"when": {"activation": "gelu"}},
                "activation": {"type": "choice", "values": ["relu", "tanh"]},
            },
        },
        "space.learning_rate.when",
        "",
    ),
    "a target that is not there": ({"dataset": "iris", "target": "specis"}, "target", "species"),
    "an unknown algorithm": ({"dataset": "iris", "algorithm": {"kind": "hyperpot"}}, "algorithm.kind", "hyperopt"),
    "an unknown scheduler": ({"dataset": "iris", "scheduler": {"kind": "ahsa"}}, "scheduler.kind", "asha"),
    "a pair that cannot work": (
        {"dataset": "iris", "algorithm": {"kind": "hyperopt"}, "scheduler": {"kind": "pbt"}},
        "algorithm.kind",
        "",
    ),
    "a billion trials": ({"dataset": "iris", "budget": {"trials": 10**9}}, "budget.trials", ""),
    "no trials": ({"dataset": "iris", "budget": {"trials": 0}}, "budget.trials", ""),
    "a metric of the wrong task": ({"dataset": "iris", "objective": "mean_squared_error"}, "objective", "log_loss"),
    "a task that does not fit the target": ({"dataset": "iris", "task": "regression"}, "target", "numbers"),
    "a number that is a text": ({"dataset": "iris", "budget": {"trials": "many"}}, "budget.trials", "integer"),
    "more folds than may be": (
        {"dataset": "iris", "split": {"validation": {"kind": "kfold", "folds": 101}}},
        "split.validation.folds",
        "less than or equal to 100",
    ),
    "more folds than rows": (
        {"dataset": "xor", "split": {"test": {"kind": "fraction", "fraction": 0.95}, "validation": FIFTY_FOLDS}},
        "split.validation.folds",
        "are the most",
    ),
    "one metric twice": ({"dataset": "iris", "objective": ["log_loss", "log_loss"]}, "objective.1", "named twice"),
    "no such limit": ({"dataset": "iris", "limits": [{"metric": "bytes", "at_most": 1}]}, "limits.0.metric", "allowed"),
    "multilabel": ({"dataset": "iris", "task": "multilabel"}, "task", "multilabel needs 2 classes; 'species' has 3"),
    "softmax with a regression target": (
        {"dataset": "diabetes", "fixed": {"loss": "cross_entropy"}},
        "fixed.loss",
        "the loss cross_entropy is not for regression",
    ),
    "too many repeats": ({"dataset": "iris", "repeats": 1001}, "repeats", "less than or equal to 1000"),
    "a wish to refit that is none": ({"dataset": "iris", "refit": "all"}, "refit", "boolean"),
    "a strange label": ({"dataset": "iris", "labels": {'te"am': "a"}}, "labels", "letter"),
    "a NUL in the name": ({"dataset": "iris", "name": "a\0b"}, "name", "NUL"),
    "half a character in a label": ({"dataset": "iris", "labels": {"team": "\ud800"}}, "labels.team", "broken"),
}


@pytest.mark.parametrize("name", BAD_JOBS)
def test_a_bad_job_is_refused_by_name(api: httpx.Client, name: str) -> None:
    body, path, hint = BAD_JOBS[name]
    for address in ("/v1/jobs", "/v1/jobs/preview"):
        content = json.dumps(body)  # in ASCII, which can carry half a character too
        answer = api.post(address, content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 422, answer.text
        code_of(answer)
        assert any(path in error["path"] for error in answer.json()["errors"]), answer.text
        assert hint in answer.text
    assert api.get("/v1/jobs").json()["items"] == []


BAD_TARGETS: dict[str, tuple[dict[str, Any], str]] = {
    "a constant target": ({"target": "constant"}, "target"),
    "an empty target": ({"target": "empty"}, "target"),
    "a column with nothing but missing values": ({"target": "y", "columns": {"include": ["x", "empty"]}}, "columns"),
    "a column that is not there": ({"target": "y", "columns": {"exclude": ["z"]}}, "columns.exclude"),
    "no target": ({}, "target"),
}


@pytest.mark.parametrize("name", BAD_TARGETS)
def test_a_job_that_does_not_fit_its_table_is_refused_by_name(api: httpx.Client, name: str) -> None:
    body, path = BAD_TARGETS[name]
    dataset = api.post("/v1/datasets", files={"file": ("t.csv", CSV)}).json()["id"]
    answer = api.post("/v1/jobs", json={"dataset": dataset} | body)
    assert answer.status_code == 422, answer.text
    assert any(error["path"].startswith(path) for error in answer.json()["errors"]), answer.text
    assert api.get("/v1/jobs").json()["items"] == []


def test_one_class_only_and_two_rows_of_data_are_refused(api: httpx.Client) -> None:
    one_class = "x,y\n" + "".join(f"{n},a\n" for n in range(20))
    for text in (one_class, "x,y\n1,a\n2,b\n"):
        dataset = api.post("/v1/datasets", files={"file": ("t.csv", text)}).json()["id"]
        answer = api.post("/v1/jobs", json={"dataset": dataset, "target": "y"})
        assert (answer.status_code, code_of(answer)) == (422, "invalid-data"), answer.text


def _parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"x": [1, 2, 3], "y": [1.0, 2.0, 3.0]}), buffer)
    return buffer.getvalue()


BAD_FILES: dict[str, tuple[str, bytes, str]] = {
    "ragged rows": ("t.csv", b"x,y\n1,2\n3\n4,5\n", "unreadable-table"),
    "a Parquet file that is none": ("t.parquet", b"this is no parquet", "unreadable-table"),
    "half a Parquet file": ("t.parquet", _parquet()[:100], "unreadable-table"),
    "an empty file": ("t.csv", b"", "unreadable-table"),
    "bytes that are no text": ("t.csv", bytes(range(128, 256)) * 20, "unreadable-table"),
    "a damaged gzip": ("t.csv.gz", b"\x1f\x8b\x08\x00 and then nothing", "unreadable-table"),
    "more than the limit": ("t.csv", b"x,y\n" + b"1,2\n" * 600_000, "too-large"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_and_leaves_no_row_and_no_file(api: httpx.Client, settings: Settings, name: str) -> None:
    filename, content, code = BAD_FILES[name]
    answer = api.post("/v1/datasets", files={"file": (filename, content)})
    assert code_of(answer) == code, answer.text
    assert 400 <= answer.status_code < 500
    if code != "too-large":
        assert answer.json()["errors"][0]["path"] == "file"
    assert all(dataset["bundled"] for dataset in api.get("/v1/datasets").json()["items"])
    folder = Path(settings.datasets_dir)
    assert not folder.exists() or list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "required"),
        (b"{", "JSON"),
        (b"[1, 2]", ""),
        (b'{"dataset": "iris", "seed": NaN}', "finite"),
        (b'{"dataset": "iris", "seed": 1e999}', "finite"),
        (b'{"dataset": ' + b"[" * 5000 + b"]" * 5000 + b"}", ""),
        (b'{"dataset": "iris", "fixed": {"units": ' + b"9" * 60 + b"}}", "64 bits"),
        (b"\xff\xfe", ""),
    ],
    ids=["nothing", "half", "a list", "NaN", "infinity", "deep", "huge number", "no text"],
)
def test_a_body_that_is_no_job_is_a_problem(api: httpx.Client, content: bytes, said: str) -> None:
    answer = api.post("/v1/jobs", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, code_of(answer)) == (422, "invalid-request"), answer.text
    assert said in answer.text


def test_a_body_above_the_limit_is_refused_whether_announced_or_not(api: httpx.Client) -> None:
    text = b'{"dataset": "' + b"x" * 300_000 + b'"}'
    announced = api.post("/v1/jobs", content=text, headers={"content-type": "application/json"})
    assert (announced.status_code, code_of(announced)) == (413, "too-large")
    pieces = (text[start : start + 10_000] for start in range(0, len(text), 10_000))
    streamed = api.post("/v1/jobs", content=pieces, headers={"content-type": "application/json"})
    assert (streamed.status_code, code_of(streamed)) == (413, "too-large")


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("/v1/jobs?limit=0", "limit"),
        ("/v1/jobs?limit=many", "limit"),
        ("/v1/jobs?cursor=nonsense", "cursor"),
        ("/v1/jobs?cursor=WzEsMl0", "cursor"),
        ("/v1/jobs?state=asleep", "state"),
        ("/v1/jobs?label=%00", "label"),
        ("/v1/jobs/%00", "job_id"),
        ("/v1/jobs/j_x/trials/-1", "number"),
        ("/v1/jobs/j_x/trials/99999999999", "number"),
        ("/v1/jobs/j_x/trials?order=luck", "order"),
        ("/v1/jobs/j_x/events?after=-1", "after"),
        ("/v1/models/m_x/download?format=pickle", "format"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(api: httpx.Client, address: str, path: str) -> None:
    answer = api.get(address)
    assert (answer.status_code, code_of(answer)) == (422, "invalid-request"), answer.text
    assert path in answer.json()["errors"][0]["path"]
