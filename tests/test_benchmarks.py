"""The benchmarks compare like with like, and the one for bare machines runs on one."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.chapter import make_regressor, read_housing, to_scikit_learn
from benchmarks.limit import Products, Shape
from benchmarks.peaks import Machine
from models.hyper import Hyperparameters
from models.lanes import LaneStart, PackData, PackSettings
from models.pack import Pack

ROOT = Path(__file__).resolve().parents[1]
SHAPES = [Shape((1, 32), 1, 16), Shape((2, 8), 3, 20), Shape((3, 128), 2, 64)]

ON_A_BARE_MACHINE = """
import sys
for name in "numba llvmlite ray sklearn scipy pyarrow matplotlib httpx fastapi sqlalchemy hyperopt safetensors".split():
    sys.modules[name] = None
import torch
from benchmarks.limit import Machine, Shape, measure, measure_peaks, race_digits
torch.set_num_threads(1)
machine = Machine("cpu", torch.float32)
point = measure(Shape((1, 8), 2, 16), machine, measure_peaks(machine))
print(0 < point["of_arithmetic"] < 1, race_digits(machine, 2, 1))
"""


@pytest.mark.parametrize("shape", SHAPES)
def test_the_operations_of_a_step_are_those_that_torch_counts(shape: Shape) -> None:
    layers = [nn.Linear(i, o) for i, o in zip(shape.widths, shape.widths[1:], strict=False)]
    with FlopCounterMode(display=False) as by_network:
        nn.Sequential(*layers)(torch.rand(shape.batch, shape.widths[0])).sum().backward()
    products = Products(shape, Machine("cpu", torch.float32))
    with FlopCounterMode(display=False) as by_products:
        products.step()
    assert shape.operations() == shape.lanes * by_network.get_total_flops() == by_products.get_total_flops()


def test_the_limit_is_measured_where_only_torch_numpy_and_pydantic_are() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ON_A_BARE_MACHINE], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ["True", "None"], done.stdout + done.stderr


def test_a_step_of_scikit_learn_at_a_point_is_our_step_at_that_point() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 8)), rng.normal(size=40)
    point = {"hidden_layers": 2, "units": 7, "learning_rate": 0.01}
    one_step = make_regressor(0).set_params(early_stopping=False, batch_size=40, max_iter=1, **to_scikit_learn(point))
    before = _flat(one_step.set_params(learning_rate_init=1e-300).fit(x, y))
    after = _flat(one_step.set_params(**to_scikit_learn(point)).fit(x, y))

    data = PackData("regression", 1, x, y[:, None], x[:5], y[:5, None])
    pack = Pack(data, PackSettings(0, ("mean_squared_error",), False), dtype=torch.float64)
    hyper = Hyperparameters(**point, optimizer="sgd", momentum=0.0, batch_size=40)
    pack.start([LaneStart(0, hyper, seed=0)])
    state = pack.save([0])[0]
    pack.start([LaneStart(0, hyper, seed=0, state=replace(state, arrays={**state.arrays, "parameters": before}))])
    pack.train({0: 1})
    ours = pack.save([0])[0].arrays["parameters"]
    assert np.abs(after - before).max() > 1e-3
    assert ours == pytest.approx(after, abs=1e-7)


def _flat(model: object) -> np.ndarray:
    blocks = [np.r_[weight.ravel(), bias] for weight, bias in zip(model.coefs_, model.intercepts_, strict=True)]
    return np.concatenate(blocks)


def test_housing_is_standardised_by_its_training_rows(tmp_path: Path) -> None:
    path = tmp_path / "housing.csv"
    path.write_text("A,MedHouseVal,split\n1,2,train\n3,6,train\n4,8,valid\n5,4,test\n")
    housing = read_housing(path).as_type("float32")
    assert housing.scale == 2
    assert [housing.x[part].ravel().tolist() for part in ("train", "valid", "test")] == [[-1, 1], [2], [3]]
    assert [housing.y[part].tolist() for part in ("train", "valid", "test")] == [[-1, 1], [2], [0]]
    assert housing.x["test"].dtype == np.float32
