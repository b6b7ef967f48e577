"""A package is checked by the arithmetic that its own README describes, written out here a second time."""

from __future__ import annotations

import io
import itertools
import json
import math
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import safetensors.numpy

from models.artifact import PackageError, PredictError, Predictor, write_package
from models.data import read_table
from models.hyper import Hyperparameters
from models.lanes import Layers, Task
from models.predictor import NoProbabilities
from models.prepare import Prepared, PrepareRequest, prepare
from models.schema import FractionPart, Holdout
from models.table import Table

KINDS = {"age": "numeric", "city": "categorical", "flag": "boolean"}
ROWS: list[dict[str, Any]] = [
    {"age": 31, "city": "Oslo", "flag": True},
    {"age": None, "city": None, "flag": False},
    {"age": -2.5, "city": "nowhere", "flag": None},
]


def make_prepared(task: Task = "regression") -> Prepared:
    rng = np.random.default_rng(1)
    age = rng.normal(40, 10, 60)
    city = rng.choice(["Oslo", "Rome", "Bonn"], 60).astype(object)
    flag = rng.choice([True, False], 60).astype(object)
    targets = {
        "regression": {"rent": 10 * age + 5, "size": -age},
        "binary": {"rent": np.where(age > 40, "high", "low").astype(object)},
        "multiclass": {"rent": np.digitize(age, [35, 45]).astype(np.float64)},
        "multilabel": {"cheap": age > 40, "large": np.where(age > 50, "yes", "no")},
    }[task]
    if task == "multilabel":
        targets = {name: cells.astype(object) for name, cells in targets.items()}
    table = Table({"age": np.where(np.arange(60) % 7 == 0, np.nan, age), "city": city, "flag": flag, **targets})
    city[::5] = None
    return prepare(table, PrepareRequest(KINDS, list(targets), task, FractionPart(), Holdout()))


def make_layers(prepared: Prepared, widths: tuple[int, ...]) -> Layers:
    rng = np.random.default_rng(2)
    sizes = [prepared.preprocessor.n_inputs, *widths, prepared.data.n_outputs]
    pairs = itertools.pairwise(sizes)
    return [(rng.normal(size=pair).astype("f4"), rng.normal(size=pair[1]).astype("f4")) for pair in pairs]


def make_package(task: Task = "regression", widths: tuple[int, ...] = (6, 5), **more: Any) -> bytes:
    prepared = make_prepared(task)
    hyper = Hyperparameters(hidden_layers=len(widths), units=widths or 1, **more)
    return write_package(make_layers(prepared, widths), hyper, prepared, {"metrics": {"r2": 0.5, "bad": math.nan}})


def encode(features: list[dict[str, Any]], row: dict[str, Any]) -> list[float]:
    numbers = []
    for feature in features:
        value = row[feature["name"]]
        if feature["kind"] == "numeric":
            filled = feature["median"] if value is None else value
            numbers.append((filled - feature["mean"]) / feature["scale"] if feature["scale"] else 0.0)
        else:
            text = {True: "true", False: "false"}[value] if isinstance(value, bool) else value
            numbers += [float(text == category) for category in feature["categories"]]
        if feature["indicator"]:
            numbers.append(float(value is None))
    return numbers


ACTIVATIONS = {
    "relu": lambda z: max(z, 0.0),
    "tanh": math.tanh,
    "logistic": lambda z: 1 / (1 + math.exp(-z)),
    "identity": lambda z: z,
    "gelu": lambda z: z * (1 + math.erf(z / math.sqrt(2))) / 2,
    "silu": lambda z: z / (1 + math.exp(-z)),
    "elu": lambda z: z if z > 0 else math.exp(z) - 1,
    "leaky_relu": lambda z: z if z > 0 else z / 100,
    "selu": lambda z: 1.0507009873554805 * (z if z > 0 else 1.6732632423543772 * (math.exp(z) - 1)),
    "softplus": lambda z: math.log1p(math.exp(z)),
    "mish": lambda z: z * math.tanh(math.log1p(math.exp(z))),
}


def predict_by_hand(package: bytes, row: dict[str, Any]) -> list[float]:
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        card = json.loads(archive.read("card.json"))
        tensors = safetensors.numpy.load(archive.read("model.safetensors"))
    h = np.array(encode(card["preprocessing"]["features"], row), dtype=np.float64)
    n_layers = len(tensors) // 2
    for i in range(n_layers):
        h = h @ tensors[f"layers.{i}.weight"] + tensors[f"layers.{i}.bias"]
        if i < n_layers - 1:
            h = np.vectorize(ACTIVATIONS[card["architecture"]["activation"]])(h)
    output = card["architecture"]["output_activation"]
    if card["task"] == "regression":
        return [ACTIVATIONS[output](z) * t["scale"] + t["mean"] for z, t in zip(h, card["targets"], strict=True)]
    if card["task"] == "multilabel":
        return [1 / (1 + math.exp(-z)) for z in h]
    if output == "logistic":
        share = 1 / (1 + math.exp(-h[0]))
        return [1 - share, share]
    return list(np.exp(h) / np.exp(h).sum())


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("task", get_args(Task))
def test_predictions_can_be_recomputed_from_the_package_alone(task: Task, activation: str) -> None:
    package = make_package(task, activation=activation)
    prediction = Predictor.from_package(package).predict(ROWS)
    given = prediction.values if task == "regression" else prediction.probabilities
    assert given is not None
    expected = [predict_by_hand(package, row) for row in ROWS]
    np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "softplus", "logistic", "tanh"])
def test_outputs_of_a_regression_keep_to_their_range_in_raw_units(activation: str) -> None:
    prepared = make_prepared()
    labels = prepared.job_data.labels
    labels[:, 1] *= -1  # ages, which are above 0
    package = write_package(
        make_layers(prepared, (6, 5)), Hyperparameters(units=(6, 5), output_activation=activation), prepared, {}
    )
    predictor = Predictor.from_package(package)
    values = predictor.predict(ROWS).values
    np.testing.assert_allclose(values, [predict_by_hand(package, row) for row in ROWS], rtol=1e-5, atol=1e-6)
    assert predictor.card["architecture"]["output_activation"] == activation
    train = labels[prepared.job_data.folds[0].train]
    far = predictor.predict([{**ROWS[0], "age": age} for age in (-1e6, 1e6)]).values
    assert far is not None
    if activation in ("logistic", "tanh"):
        assert (far >= train.min(axis=0) - 1e-6).all()
        assert (far <= train.max(axis=0) + 1e-6).all()
    else:
        assert (far >= 0).all()


@pytest.mark.parametrize(("task", "loss"), [("binary", "perceptron"), ("multiclass", "hinge"), ("multilabel", "hinge")])
def test_a_network_without_probabilities_gives_labels_alone(task: Task, loss: str) -> None:
    package, likely = make_package(task, loss=loss), make_package(task)
    predictor = Predictor.from_package(package)
    prediction, twin = predictor.predict(ROWS), Predictor.from_package(likely).predict(ROWS)
    assert prediction.labels == twin.labels  # the same weights decide alike
    with pytest.raises(NoProbabilities, match="gives labels, no probabilities"):
        prediction.probabilities  # noqa: B018
    answers = prediction.to_json()["predictions"]
    assert all(set(answer) == {"labels" if task == "multilabel" else "label"} for answer in answers)
    assert predictor.card["architecture"]["output_activation"] == "threshold"


def test_scores_without_probabilities_leave_metrics_that_need_them_open() -> None:
    prepared = make_prepared("binary")
    predictor = Predictor.from_package(make_package("binary", loss="perceptron"))
    layers = [(1000 * weight, 1000 * bias) for weight, bias in predictor.layers]  # would be 0 or 1 as probabilities
    predictor = replace(predictor, layers=[*predictor.layers[:-1], layers[-1]])
    assert prepared.x_test is not None
    assert prepared.y_test is not None
    names = ["accuracy", "roc_auc", "log_loss"]
    scores = predictor.evaluate(prepared.x_test, prepared.y_test, names)
    twin = Predictor.from_package(make_package("binary")).evaluate(prepared.x_test, prepared.y_test, names)
    assert math.isnan(scores["log_loss"])
    assert (scores["accuracy"], scores["roc_auc"]) == (twin["accuracy"], twin["roc_auc"])


def test_a_network_without_hidden_layers_is_a_linear_model() -> None:
    package = make_package(widths=())
    values = Predictor.from_package(package).predict(ROWS[:1]).values
    np.testing.assert_allclose(values, [predict_by_hand(package, ROWS[0])], rtol=1e-5)


def test_a_package_predicts_without_torch_ray_or_scikit_learn(tmp_path: Path) -> None:
    (tmp_path / "model.zip").write_bytes(make_package())
    program = (
        "import sys, pathlib; from models.predictor import Predictor;"
        "p = Predictor.from_package(pathlib.Path(sys.argv[1]).read_bytes());"
        "p.predict([p.card['example']['row']]);"
        "print(sorted({'torch', 'ray', 'sklearn', 'scipy', 'pickle5', 'pyarrow'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "model.zip")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_equal_models_give_equal_bytes() -> None:
    assert make_package() == make_package()
    assert make_package() != make_package(activation="tanh")


def test_the_card_tells_architecture_facts_and_an_example_to_check_against() -> None:
    package = make_package("multiclass")
    predictor = Predictor.from_package(package)
    assert predictor.card["architecture"] == {
        "inputs": predictor.preprocessor.n_inputs,
        "widths": [6, 5],
        "outputs": 3,
        "activation": "relu",
        "output_activation": "softmax",
    }
    assert predictor.card["facts"] == {"metrics": {"r2": 0.5, "bad": None}}
    example = predictor.card["example"]
    shares = example["answer"]["predictions"][0]["probabilities"]
    np.testing.assert_allclose(shares, predict_by_hand(package, example["row"]), rtol=1e-5, atol=1e-6)
    assert example["answer"]["classes"] == [0, 1, 2]


def test_answers_have_the_shape_of_the_api() -> None:
    several = Predictor.from_package(make_package()).predict(ROWS[:1]).to_json()
    assert set(several["predictions"][0]) == {"rent", "size"}
    binary = Predictor.from_package(make_package("binary")).predict(ROWS[:1]).to_json()
    assert binary["classes"] == ["high", "low"]
    answer = binary["predictions"][0]
    assert answer["label"] == binary["classes"][int(np.argmax(answer["probabilities"]))]
    assert sum(answer["probabilities"]) == pytest.approx(1)
    labels = Predictor.from_package(make_package("multilabel")).predict(ROWS[:1]).to_json()
    assert labels["classes"] == {"cheap": [False, True], "large": ["no", "yes"]}
    answer = labels["predictions"][0]
    for name, classes in labels["classes"].items():
        assert answer["labels"][name] == classes[int(np.argmax(answer["probabilities"][name]))]
        assert sum(answer["probabilities"][name]) == pytest.approx(1)


def test_extra_columns_are_named_once_and_targets_are_no_surprise() -> None:
    predictor = Predictor.from_package(make_package())
    rows = [{**row, "zzz": 1, "note": "x", "rent": 3} for row in ROWS]
    assert predictor.predict(rows).warnings == ["not used by this model: note, zzz"]


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ({"age": "old"}, "rows[1].age", "'old' is given, a number or null is expected"),
        ({"age": True}, "rows[1].age", "a number or null"),
        ({"age": math.inf}, "rows[1].age", "a finite number"),
        ({"age": 10**400}, "rows[1].age", "a finite number"),
        ({"city": ["Oslo"]}, "rows[1].city", "a text, a number or null"),
        ({"flag": "maybe"}, "rows[1].flag", "true, false or null"),
        ({"flag": 1}, "rows[1].flag", "true, false or null"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_by_its_path(change: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(PredictError) as caught:
        Predictor.from_package(make_package()).predict([ROWS[0], {**ROWS[0], **change}])
    assert caught.value.path == path
    assert message in caught.value.message


def test_a_missing_column_is_refused_and_no_rows_are_too() -> None:
    predictor = Predictor.from_package(make_package())
    with pytest.raises(PredictError, match="'city' is missing") as caught:
        predictor.predict([{"age": 1, "flag": True}])
    assert caught.value.path == "rows[0].city"
    with pytest.raises(PredictError, match="at least one"):
        predictor.predict([])
    with pytest.raises(PredictError, match="'age' is missing"):
        predictor.predict_columns({"city": np.array(["Oslo"], dtype=object)})


def test_columns_and_rows_get_the_same_answer() -> None:
    predictor = Predictor.from_package(make_package())
    columns = {name: np.array([row[name] for row in ROWS], dtype=object) for name in KINDS}
    columns["age"] = np.array([31, np.nan, -2.5])
    np.testing.assert_array_equal(predictor.predict_columns(columns).values, predictor.predict(ROWS).values)


def test_a_column_of_truth_values_takes_no_numbers() -> None:
    columns = {"age": np.array([1.0]), "city": np.array([None], dtype=object), "flag": np.array([1.0])}
    with pytest.raises(PredictError) as caught:
        Predictor.from_package(make_package()).predict_columns(columns)
    assert caught.value.path == "rows[0].flag"


def test_categories_that_look_like_numbers_are_found_again_in_a_csv_file(tmp_path: Path) -> None:
    codes = np.array(["007", "A1", "True"] * 20, dtype=object)
    table = Table({"code": codes, "y": np.arange(60.0)})
    wishes = PrepareRequest({"code": "categorical"}, ["y"], "regression", None, Holdout())
    prepared = prepare(table, wishes)
    package = write_package(make_layers(prepared, ()), Hyperparameters(hidden_layers=0), prepared, {})
    predictor = Predictor.from_package(package)
    for code in ("007", "True"):
        (tmp_path / "rows.csv").write_text(f"code\n{code}\n")
        columns = read_table(tmp_path / "rows.csv", "csv", as_text=predictor.text_columns).columns
        expected = predictor.predict([{"code": code}]).values
        np.testing.assert_array_equal(predictor.predict_columns(columns).values, expected)
        assert expected != predictor.predict([{"code": "never seen"}]).values


def test_test_rows_are_scored_in_raw_units_by_the_predictor_that_users_get() -> None:
    prepared = make_prepared()
    predictor = Predictor.from_package(make_package())
    assert prepared.x_test is not None
    assert prepared.y_test is not None
    outputs = predictor.predict_inputs(prepared.x_test)
    scores = predictor.evaluate(prepared.x_test, prepared.y_test, ["mean_squared_error", "r2"])
    assert scores["mean_squared_error"] == pytest.approx(np.mean((outputs - prepared.y_test) ** 2))
    assert set(scores) == {"mean_squared_error", "r2"}


def test_weights_that_do_not_fit_are_refused() -> None:
    prepared = make_prepared()
    with pytest.raises(ValueError, match="the hyperparameters need"):
        write_package(make_layers(prepared, (6, 4)), Hyperparameters(units=(6, 5)), prepared, {})


def test_bytes_that_are_no_package_are_refused() -> None:
    newer = io.BytesIO()
    with zipfile.ZipFile(newer, "w") as archive:
        archive.writestr("card.json", json.dumps({"format_version": 99}))
        archive.writestr("model.safetensors", safetensors.numpy.save({}))
    for content, message in [(b"", "no model package"), (b"PK", "no model package"), (newer.getvalue(), "version 99")]:
        with pytest.raises(PackageError, match=message):
            Predictor.from_package(content)
