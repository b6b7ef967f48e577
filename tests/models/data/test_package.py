"""A package is checked by the arithmetic that its own README describes, written out here a second time."""

from __future__ import annotations

import bisect
import io
import itertools
import json
import math
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import NormalDist
from typing import Any, get_args

import numpy as np
import pytest
import safetensors.numpy

from models.artifact import Member, PackageError, PredictError, Predictor, write_ensemble, write_package
from models.data import read_table
from models.hyper import ActivationName, Hyperparameters
from models.lanes import Layers, Task
from models.predictor import NoProbabilities
from models.prepare import Prepared, PrepareRequest, prepare
from models.schema import FractionPart, Holdout
from models.table import Table

KINDS = {"age": "numeric", "city": "categorical", "flag": "boolean", "day": "date"}
ROWS: list[dict[str, Any]] = [
    {"age": 31, "city": "Oslo", "flag": True, "day": "2020-02-29"},
    {"age": None, "city": None, "flag": False, "day": None},
    {"age": -2.5, "city": "nowhere", "flag": None, "day": "2020-12-31T23:30:00.5-02:00"},
]


def make_prepared(task: Task = "regression", **encoding: Any) -> Prepared:
    rng = np.random.default_rng(1)
    age = rng.normal(40, 10, 60)
    city = rng.choice(["Oslo", "Rome", "Bonn"], 60).astype(object)
    flag = rng.choice([True, False], 60).astype(object)
    targets = {
        "regression": {"rent": 10 * age + 5, "size": -age},
        "binary": {"rent": np.where(age > 40, "high", "low").astype(object)},
        "multiclass": {"rent": np.digitize(age, [35, 45]).astype(np.float64)},
        "multilabel": {"large": np.where(age > 50, "yes", "no"), "cheap": age > 40},
    }[task]
    if task == "multilabel":
        targets = {name: cells.astype(object) for name, cells in targets.items()}
    day = np.datetime64("2019-11-30", "us") + rng.integers(0, 500 * 86_400, 60).astype("timedelta64[s]")
    age_given = np.where(np.arange(60) % 7 == 0, np.nan, age)
    table = Table({"age": age_given, "city": city, "flag": flag, "day": day, **targets})
    city[::5], day[::4] = None, np.datetime64("NaT")
    hyper = Hyperparameters(**encoding)
    return prepare(table, PrepareRequest(KINDS, list(targets), task, FractionPart(), Holdout(), hyper=hyper))


def make_layers(prepared: Prepared, widths: tuple[int, ...], normalisation: str = "none") -> Layers:
    """Draw layers as a pack hands them out: batch normalisation is part of them, layer normalisation is not."""
    rng = np.random.default_rng(2)
    embedding, layers = prepared.data.embedding, Layers()
    if embedding:
        layers.append((rng.normal(size=embedding.n_numbers).astype("f4"),))
    sizes = [embedding.width if embedding else prepared.data.x_train.shape[1], *widths, prepared.data.n_outputs]
    for place, pair in enumerate(itertools.pairwise(sizes)):
        n_vectors = 3 if normalisation == "layer" and place < len(widths) else 1
        vectors = [rng.normal(size=pair[1]).astype("f4") for _ in range(n_vectors)]
        layers.append((rng.normal(size=pair).astype("f4"), *vectors))
    return layers


def make_package(task: Task = "regression", widths: tuple[int, ...] = (6, 5), **more: Any) -> bytes:
    prepared = make_prepared(task, **more)
    hyper = Hyperparameters(hidden_layers=len(widths), units=widths or 1, **more)
    layers = make_layers(prepared, widths, hyper.normalisation)
    return write_package(layers, hyper, prepared, {"metrics": {"r2": 0.5, "bad": math.nan}})


def encode(features: list[dict[str, Any]], row: dict[str, Any]) -> list[float]:
    numbers: list[float] = []
    for feature in features:
        value = row[feature["name"]]
        if feature["kind"] == "numeric":
            numbers += encode_number(feature, value)
        elif feature["kind"] == "date":
            numbers += encode_date(feature, value)
        else:
            text = {True: "true", False: "false"}[value] if isinstance(value, bool) else value
            numbers += [float(text == category) for category in feature["categories"]]
        if feature["indicator"]:
            numbers.append(float(value is None))
    return numbers


def encode_number(card: dict[str, Any], value: float | None) -> list[float]:
    x = card["fill"] if value is None else value
    s = 0.0
    if card["scale"]:
        s = spread(card["quantiles"], x) if card["quantiles"] else (x - card["center"]) / card["scale"]
        s = s / math.sqrt(1 + (s / 3) ** 2) if card["smooth"] else s
        s = min(max(s, -card["clip"]), card["clip"]) if card["clip"] else s
    if card["frequencies"]:
        return [f(2 * math.pi * c * s) for f in (math.sin, math.cos) for c in card["frequencies"]]
    pieces = [(s - left) / (right - left) for left, right in itertools.pairwise(card["edges"])]
    pieces = [piece if i == 0 else max(piece, 0.0) for i, piece in enumerate(pieces)]
    return [piece if i == len(pieces) - 1 else min(piece, 1.0) for i, piece in enumerate(pieces)] or [s]


def spread(q: list[float], x: float) -> float:
    least, last = 1e-7 - 2**-52, len(q) - 1
    if x < q[0] + 1e-7 or x > q[-1] - 1e-7:
        p = 0.0 if x < q[0] + 1e-7 else 1.0
    else:
        below, above = bisect.bisect_right(q, x) - 1, bisect.bisect_left(q, x)
        inside = (x - q[below]) / (q[above] - q[below]) if above > below else 0.0
        p = (below + inside) / last if above > below else (below + above) / 2 / last
    return NormalDist().inv_cdf(min(max(p, least), 1 - least))


def encode_date(card: dict[str, Any], text: str | None) -> list[float]:
    if text is None:
        return encode_number(card["trend"], None) + [0.0] * 2 * len(card["cycles"])
    date = datetime.fromisoformat(text)
    date = date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    seconds = (date - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    places = {
        "month": (date.month - 1) / 12,
        "weekday": date.weekday() / 7,
        "day_of_year": (date - datetime(date.year, 1, 1, tzinfo=UTC)).days / 366,
        "hour": seconds % 86400 / 86400,
    }
    angles = [2 * math.pi * places[cycle] for cycle in card["cycles"]]
    return encode_number(card["trend"], seconds / 86400) + [f(a) for a in angles for f in (math.sin, math.cos)]


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


def opened(package: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        card = json.loads(archive.read("card.json"))
        return card, safetensors.numpy.load(archive.read("model.safetensors"))


def predict_by_hand(package: bytes, row: dict[str, Any]) -> list[float]:
    card, tensors = opened(package)
    if "members" not in card:
        return follow(card, tensors, row)
    answers = []
    for place, member in enumerate(card["members"]):
        own = {name.removeprefix(f"members.{place}."): t for name, t in tensors.items() if f"members.{place}." in name}
        answers.append(member["share"] * np.array(follow({**card, **member}, own, row)))
    return list(sum(answers[1:], start=answers[0]))


def follow(card: dict[str, Any], tensors: dict[str, Any], row: dict[str, Any]) -> list[float]:
    h = np.array(encode(card["preprocessing"]["features"], row), dtype=np.float64)
    n_layers = sum(name.endswith("weight") for name in tensors)
    for i in range(n_layers):
        h = h @ tensors[f"layers.{i}.weight"] + tensors[f"layers.{i}.bias"]
        if i < n_layers - 1:
            if card["architecture"]["normalisation"] == "layer":
                h = (h - h.mean()) / math.sqrt(h.var() + 0.00001)
                h = h * tensors[f"layers.{i}.scale"] + tensors[f"layers.{i}.shift"]
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
    assert_equal_by_hand(package, task)


ENCODINGS: list[dict[str, Any]] = [
    {"numeric_scaling": "robust"},
    {"numeric_scaling": "robust_smooth", "numeric_clip": 1.5},
    {"numeric_scaling": "quantile"},
    {"numeric_scaling": "quantile", "numeric_embedding": "piecewise_linear", "embedding_bins": 4},
    {"numeric_embedding": "piecewise_linear", "missing": "mean", "missing_indicator": False},
    {"numeric_embedding": "periodic", "embedding_frequencies": 3, "frequency_scale": 1.0},
    {"max_categories": 2},
]


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_every_encoding_can_be_recomputed_from_the_package_alone(encoding: dict[str, Any]) -> None:
    assert_equal_by_hand(make_package(**encoding), "regression")


def assert_equal_by_hand(package: bytes, task: Task) -> None:
    prediction = Predictor.from_package(package).predict(ROWS)
    given = prediction.values if task == "regression" else prediction.probabilities
    assert given is not None
    expected = [predict_by_hand(package, row) for row in ROWS]
    np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("normalisation", ["batch", "layer"])
def test_predictions_of_normalised_networks_can_be_recomputed_too(normalisation: str) -> None:
    package = make_package(normalisation=normalisation)
    predictor = Predictor.from_package(package)
    assert predictor.card["architecture"]["normalisation"] == ("layer" if normalisation == "layer" else "none")
    assert predictor.card["hyperparameters"]["normalisation"] == normalisation
    np.testing.assert_allclose(
        predictor.predict(ROWS).values, [predict_by_hand(package, row) for row in ROWS], rtol=1e-5, atol=1e-6
    )
    example = predictor.card["example"]
    assert predictor.predict([example["row"]]).to_json() == example["answer"]


def test_layers_that_do_not_fit_the_normalisation_are_refused() -> None:
    prepared = make_prepared()
    for given, wanted in (("layer", "batch"), ("none", "layer")):
        layers = make_layers(prepared, (6, 5), given)
        with pytest.raises(ValueError, match=f"do not fit the normalisation '{wanted}'"):
            write_package(layers, Hyperparameters(units=(6, 5), normalisation=wanted), prepared, {})


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
    assert prepared.test_columns is not None
    assert prepared.y_test is not None
    names = ["accuracy", "roc_auc", "log_loss"]
    scores = predictor.evaluate(prepared.test_columns, prepared.y_test, names)
    twin = Predictor.from_package(make_package("binary")).evaluate(prepared.test_columns, prepared.y_test, names)
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
        "normalisation": "none",
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
    assert predictor.predict(rows).warnings == [
        "not used by this model: note, zzz",
        "city: this model does not know 'nowhere'",
    ]


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
        ({"day": "31.01.2020"}, "rows[1].day", "'31.01.2020' is given, a date as in"),
        ({"day": "2020-02-30"}, "rows[1].day", "a date as in"),
        ({"day": 20200131}, "rows[1].day", "a date as in"),
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
        predictor.predict([{"age": 1, "flag": True, "day": None}])
    assert caught.value.path == "rows[0].city"
    with pytest.raises(PredictError, match="at least one"):
        predictor.predict([])
    with pytest.raises(PredictError, match="'age' is missing"):
        predictor.predict_columns({"city": np.array(["Oslo"], dtype=object)})


def test_columns_and_rows_get_the_same_answer() -> None:
    predictor = Predictor.from_package(make_package())
    columns = {name: np.array([row[name] for row in ROWS], dtype=object) for name in KINDS}
    columns["age"] = np.array([31, np.nan, -2.5])
    texts = predictor.predict_columns(columns).values
    columns["day"] = np.array(["2020-02-29", "NaT", "2021-01-01T01:30:00.5"], dtype="datetime64[us]")
    np.testing.assert_array_equal(predictor.predict_columns(columns).values, texts)
    np.testing.assert_array_equal(predictor.predict_columns(columns).values, predictor.predict(ROWS).values)


def test_a_column_of_truth_values_takes_no_numbers() -> None:
    columns = {"age": np.array([1.0]), "city": np.array([None], dtype=object), "flag": np.array([1.0])}
    columns["day"] = np.array(["NaT"], dtype="datetime64[us]")
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


def test_a_package_of_the_first_format_is_read_as_before() -> None:
    old = io.BytesIO()
    feature = {"kind": "numeric", "name": "x", "median": 2.0, "mean": 3.0, "scale": 0.5, "indicator": True}
    card = {
        "format_version": 1,
        "task": "regression",
        "classes": None,
        "targets": [{"name": "y", "mean": 10.0, "scale": 2.0}],
        "architecture": {"widths": [], "activation": "relu", "output_activation": "identity"},
        "preprocessing": {"features": [feature]},
    }
    tensors = {"layers.0.weight": np.array([[1], [5]], np.float32), "layers.0.bias": np.array([1], np.float32)}
    with zipfile.ZipFile(old, "w") as archive:
        archive.writestr("card.json", json.dumps(card))
        archive.writestr("model.safetensors", safetensors.numpy.save(tensors))
    values = Predictor.from_package(old.getvalue()).predict([{"x": 4}, {"x": None}]).values
    assert values is not None
    assert values.tolist() == [[2 * 3 + 10], [2 * (-2 + 5 + 1) + 10]]


def test_test_rows_are_scored_in_raw_units_by_the_predictor_that_users_get() -> None:
    prepared = make_prepared()
    predictor = Predictor.from_package(make_package())
    assert prepared.test_columns is not None
    assert prepared.y_test is not None
    outputs = predictor.outputs(prepared.test_columns)
    scores = predictor.evaluate(prepared.test_columns, prepared.y_test, ["mean_squared_error", "r2"])
    assert scores["mean_squared_error"] == pytest.approx(np.mean((outputs - prepared.y_test) ** 2))
    assert set(scores) == {"mean_squared_error", "r2"}


def test_weights_that_do_not_fit_are_refused() -> None:
    prepared = make_prepared()
    with pytest.raises(ValueError, match="the hyperparameters need"):
        write_package(make_layers(prepared, (6, 4)), Hyperparameters(units=(6, 5)), prepared, {})


def make_ensemble(task: Task = "regression", shares: tuple[float, ...] = (0.75, 0.25)) -> bytes:
    """Networks of different shapes, activations and normalisations."""
    prepared = make_prepared(task)
    kinds = [((6, 5), "relu", "none"), ((), "relu", "none"), ((4,), "tanh", "layer")]
    members = []
    for number, (share, (widths, activation, norm)) in enumerate(zip(shares, kinds, strict=False)):
        hyper = Hyperparameters.model_validate(
            {"hidden_layers": len(widths), "units": widths or 1, "activation": activation, "normalisation": norm}
        )
        members.append(Member(share, make_layers(prepared, widths, norm), hyper, {"trial": number, "epoch": 3}))
    return write_ensemble(members, prepared, {"metrics": {"r2": 0.5}})


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_an_ensemble_averages_its_members_as_its_own_readme_says(task: Task) -> None:
    package = make_ensemble(task, (0.5, 0.3, 0.2))
    predictor = Predictor.from_package(package)
    prediction = predictor.predict(ROWS)
    given = prediction.values if task == "regression" else prediction.probabilities
    assert given is not None
    np.testing.assert_allclose(given, [predict_by_hand(package, row) for row in ROWS], rtol=1e-5, atol=1e-6)
    assert predictor.card["example"]["answer"] == predictor.predict([predictor.card["example"]["row"]]).to_json()
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        said = archive.read("README.txt").decode()
    assert said.startswith("An ensemble of")
    assert 'card["members"][i]["share"]' in said


def test_an_ensemble_keeps_once_what_its_members_share() -> None:
    card, tensors = opened(make_ensemble())
    assert [set(member) for member in card["members"]] == 2 * [{"architecture", "hyperparameters", "facts", "share"}]
    assert [member["architecture"]["widths"] for member in card["members"]] == [[6, 5], []]
    assert [member["facts"] for member in card["members"]] == [{"trial": 0, "epoch": 3}, {"trial": 1, "epoch": 3}]
    assert "architecture" not in card
    assert card["format_version"] == 2
    assert {"members.0.layers.0.weight", "members.1.layers.0.bias"} <= set(tensors)
    assert make_ensemble() == make_ensemble()


def test_an_ensemble_of_one_network_is_that_network() -> None:
    alone = Predictor.from_package(make_package()).predict(ROWS).values
    np.testing.assert_array_equal(Predictor.from_package(make_ensemble(shares=(1.0,))).predict(ROWS).values, alone)


@pytest.mark.parametrize("shares", [(), (0.5, 0.4)])
def test_shares_that_do_not_add_up_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="they have to be 1 together"):
        make_ensemble(shares=shares)


def test_bytes_that_are_no_package_are_refused() -> None:
    newer = io.BytesIO()
    with zipfile.ZipFile(newer, "w") as archive:
        archive.writestr("card.json", json.dumps({"format_version": 99}))
        archive.writestr("model.safetensors", safetensors.numpy.save({}))
    for content, message in [(b"", "no model package"), (b"PK", "no model package"), (newer.getvalue(), "version 99")]:
        with pytest.raises(PackageError, match=message):
            Predictor.from_package(content)


def test_labels_of_several_targets_are_classes_of_their_own_targets() -> None:
    for answer in Predictor.from_package(make_package("multilabel")).predict(ROWS).labels:
        assert answer["large"] in ("yes", "no")
        assert answer["cheap"] in (True, False)


def test_an_ensemble_reads_a_column_as_text_if_one_of_its_members_must() -> None:
    codes = np.array(["7"] * 30 + ["007"] * 10, dtype=object)
    table = Table({"code": codes, "y": np.arange(40) * 1.0})
    request = PrepareRequest({"code": "categorical"}, ["y"], "regression", None, Holdout())
    prepared = prepare(table, request)
    members = []
    for kept in (1, 2):
        hyper = Hyperparameters(hidden_layers=0, max_categories=kept)
        weight = np.arange(kept, dtype=np.float32)[:, None]
        members.append(Member(0.5, [(weight, np.zeros(1, np.float32))], hyper, {}))
    predictor = Predictor.from_package(write_ensemble(members, prepared, {}))
    assert [member.text_columns for _, member in predictor.members] == [[], ["code"]]
    assert predictor.text_columns == ["code"]


def test_an_ensemble_warns_of_what_any_of_its_members_does_not_know() -> None:
    cities = np.array(["Oslo"] * 20 + ["Rome"] * 15 + ["Bonn"] * 10, dtype=object)
    table = Table({"city": cities, "y": np.arange(45) * 1.0})
    prepared = prepare(table, PrepareRequest({"city": "categorical"}, ["y"], "regression", None, Holdout()))
    members = []
    for kept in (3, 1, 2):
        hyper = Hyperparameters(hidden_layers=0, max_categories=kept)
        members.append(Member(1 / 3, [(np.ones((kept, 1), np.float32), np.zeros(1, np.float32))], hyper, {}))
    predictor = Predictor.from_package(write_ensemble(members, prepared, {}))
    rows = [{"city": city} for city in ("Oslo", "Rome", "Bonn", "Wien")]
    assert predictor.predict(rows).warnings == ["city: this model does not know 'Bonn', 'Rome', 'Wien'"]
    assert predictor.predict(rows[:1]).warnings == []
    assert predictor.members[0][1].predict(rows).warnings == ["city: this model does not know 'Wien'"]


def test_the_readme_of_a_package_has_the_formula_of_every_activation() -> None:
    with zipfile.ZipFile(io.BytesIO(make_package())) as archive:
        said = archive.read("README.txt").decode().partition("being one of")[2].partition("The last layer")[0]
    names = {formula.split()[0] for formula in said.strip().rstrip(".").split(";")}
    assert names == set(ACTIVATIONS) == set(get_args(ActivationName))
