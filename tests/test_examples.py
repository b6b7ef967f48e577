"""The examples work: job files are admitted as they stand, and the model in numpy says what the service says."""

from __future__ import annotations

import io
import json
import math
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import safetensors.numpy

from examples.numpy_model import NumpyModel
from models.artifact import Member, Predictor, write_ensemble, write_package
from models.bundled import bundled_table, bundled_target
from models.hyper import ActivationName, Hyperparameters, OutputActivationName
from models.lanes import LaneStart, PackSettings, Task
from models.normalisation import NormalisationName
from models.pack import Pack
from models.prepare import Prepared
from models.schema import ColumnSchema, TableSchema
from tests.e2e.running import Running, start_service
from tests.models.data.test_package import ENCODINGS, ROWS, make_prepared
from tests.shared_data import shared_data
from workers.spec import read_spec, resolve

__all__ = ["shared_data"]
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def read_job(name: str) -> dict[str, Any]:
    job: dict[str, Any] = json.loads((EXAMPLES / name).read_text())
    return job


@pytest.mark.parametrize(("name", "trials"), [("demo.json", 32), ("digits.json", 64)])
def test_a_job_file_is_admitted_as_it_stands(name: str, trials: int) -> None:
    spec = read_spec(read_job(name))
    job = resolve(spec, bundled_table(spec.dataset).schema, [bundled_target(spec.dataset)])
    assert job.trials == trials


def test_the_housing_job_learns_from_all_columns_but_target_and_split() -> None:
    numbers = [ColumnSchema(name=name, kind="numeric", cardinality=90) for name in ("MedInc", "MedHouseVal")]
    parts = ["test", "train", "valid"]
    split = ColumnSchema(name="split", kind="categorical", cardinality=3, classes=parts, counts=[30, 40, 30])
    job = resolve(read_spec(read_job("california_housing.json")), TableSchema(rows=100, columns=[*numbers, split]))
    assert list(job.prepare_request().features) == ["MedInc"]
    assert (job.algorithm.kind, job.scheduler.kind, job.trials, job.epochs) == ("gp", "asha", 32, 30)


MORE_ROWS = [
    {"age": math.nan, "city": math.nan, "flag": "TRUE", "day": math.nan},
    {"age": 400, "city": 3.0, "flag": None, "day": "1969-12-31 23:59:59,25z"},
    {"age": 38.5, "city": True, "flag": False, "day": "2020-06-01T10:00+0530"},
]
CHECKED = [*ROWS, *MORE_ROWS]
NETWORKS: list[tuple[Task, dict[str, Any]]] = [
    *((task, {"activation": activation}) for task in get_args(Task) for activation in get_args(ActivationName)),
    *(("regression", {"output_activation": activation}) for activation in get_args(OutputActivationName)),
    *(("multiclass", {"normalisation": kind, "hidden_layers": 3}) for kind in get_args(NormalisationName)),
    *((task, {"loss": "hinge"}) for task in get_args(Task) if task != "regression"),
    *(("regression", encoding) for encoding in ENCODINGS),
    ("binary", {"categorical_encoding": "embedding", "embedding_size": 2}),
    ("multilabel", {"hidden_layers": 0}),
    ("binary", {"shape": "funnel", "hidden_layers": 3, "units": 16}),
    ("multiclass", {"units": (7, 3), "dropout": 0.2}),
]
ENSEMBLES: dict[str, list[dict[str, Any]]] = {
    "of shapes": [{"hidden_layers": 0}, {"units": (9, 4), "activation": "mish"}, {"normalisation": "layer"}],
    "of encodings": [*ENCODINGS[1:4], {"categorical_encoding": "embedding", "normalisation": "batch"}],
}


def train_member(prepared: Prepared, share: float = 1.0, **wishes: Any) -> Member:
    """Train a network a little, as a job does: what packages hold is what packs hand out."""
    metric = "mean_squared_error" if prepared.data.task == "regression" else "accuracy"
    pack = Pack(prepared.job_data, PackSettings(0, (metric,), maximize=metric == "accuracy"))
    hyper = Hyperparameters(**{"units": 8, "learning_rate": 0.01, **wishes})
    assert pack.start([LaneStart(0, hyper, seed=len(wishes))]) == []
    pack.train({0: 3})
    layers = pack.best_layers(0)
    assert layers is not None
    return Member(share, layers, hyper, {})


def assert_numpy_agrees(package: bytes) -> None:
    expected = Predictor.from_package(package).predict(CHECKED)
    answers = expected.scores if expected.values is None else expected.values
    np.testing.assert_allclose(NumpyModel(package).predict(CHECKED), answers, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("task", "wishes"), NETWORKS, ids=str)
def test_the_model_in_numpy_predicts_what_the_service_predicts(task: Task, wishes: dict[str, Any]) -> None:
    prepared = make_prepared(task)
    if wishes.get("output_activation") in ("relu", "softplus"):
        prepared.job_data.labels[:, 1] *= -1  # ages, which are above 0
    member = train_member(prepared, **wishes)
    assert_numpy_agrees(write_package(member.layers, member.hyper, prepared, {}))


@pytest.mark.parametrize("members", ENSEMBLES.values(), ids=ENSEMBLES)
@pytest.mark.parametrize("task", get_args(Task))
def test_an_ensemble_in_numpy_averages_its_members(task: Task, members: list[dict[str, Any]]) -> None:
    prepared, shares = make_prepared(task), np.arange(1, len(members) + 1) / sum(range(len(members) + 1))
    trained = [train_member(prepared, share, **wishes) for share, wishes in zip(shares, members, strict=True)]
    assert_numpy_agrees(write_ensemble(trained, prepared, {}))


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_an_ensemble_in_numpy_averages_scores_where_a_member_has_no_probabilities(task: Task) -> None:
    prepared = make_prepared(task)
    trained = [train_member(prepared, 0.25, loss="perceptron"), train_member(prepared, 0.75)]
    assert_numpy_agrees(write_ensemble(trained, prepared, {}))


def test_the_model_in_numpy_refuses_a_package_of_another_version() -> None:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("card.json", json.dumps({"format_version": 1}))
        archive.writestr("model.safetensors", safetensors.numpy.save({}))
    with pytest.raises(ValueError, match="format version 1; this file reads 2"):
        NumpyModel(package.getvalue())


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    running = start_service(tmp_path / "data")
    yield running
    running.stop()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_housing_job_reaches_its_error_and_numpy_agrees(service: Running, shared_data: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "california.py"), str(shared_data / "california_housing.csv")]
    done = subprocess.run(
        [*command, "--url", service.url], env={**os.environ}, capture_output=True, text=True, timeout=540
    )
    assert done.returncode == 0, done.stdout + done.stderr
    error = float(done.stdout.rpartition("test MSE ")[2].split(";")[0])
    assert error < 0.32
