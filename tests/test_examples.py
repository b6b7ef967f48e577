"""The examples work: job files are admitted as they stand, and the model in numpy says what the service says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from examples.numpy_model import NumpyModel
from models.artifact import Predictor
from models.bundled import bundled_table, bundled_target
from models.hyper import ActivationName
from models.lanes import Task
from models.schema import ColumnSchema, TableSchema
from tests.e2e.running import Running, start_service
from tests.models.data.test_package import ROWS, make_package
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
    assert (job.algorithm.kind, job.scheduler.kind, job.trials, job.epochs) == ("hyperopt", "asha", 32, 30)


@pytest.mark.parametrize("activation", get_args(ActivationName))
@pytest.mark.parametrize("task", get_args(Task))
def test_the_model_in_numpy_predicts_what_the_service_predicts(task: Task, activation: ActivationName) -> None:
    package = make_package(task, activation=activation)
    expected = Predictor.from_package(package).predict(ROWS)
    values = expected.values if task == "regression" else expected.probabilities
    assert np.allclose(NumpyModel(package).predict(ROWS), values, rtol=1e-5, atol=1e-6)


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
