"""Encodings are what scikit-learn, or the paper they come from, makes of the same numbers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, RobustScaler, StandardScaler

from models import preprocess
from models.categories import CodedColumn, category_text, code_column
from models.hyper import Hyperparameters
from models.normal import normal_quantile
from models.numbers import QUANTILES
from models.preprocess import EncodingError, FeatureError, Preprocessor, fit_preprocessor

NAN = float("nan")
SCALERS: dict[str, Any] = {
    "standard": StandardScaler(),
    "robust": RobustScaler(),
    "quantile": QuantileTransformer(n_quantiles=QUANTILES, output_distribution="normal", subsample=None),
}


def draw(kind: str, n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return {
        "normal": lambda: rng.normal(3, 100, n),
        "heavy": lambda: rng.standard_cauchy(n),
        "ties": lambda: rng.integers(0, 4, n).astype(np.float64),
        "mostly one": lambda: np.where(rng.random(n) < 0.9, 7.0, rng.normal(size=n)),
        "missing": lambda: np.where(rng.random(n) < 0.3, NAN, rng.normal(size=n)),
        "tiny": lambda: rng.normal(size=n) * 1e-9,
    }[kind]()


def encode(train: np.ndarray, rows: np.ndarray, **hyper: Any) -> np.ndarray:
    """Give the inputs that a numeric column becomes, indicator left out unless it is asked for."""
    asked = Hyperparameters(**{"missing_indicator": False, **hyper})
    fit = fit_preprocessor({"x": train}, {"x": "numeric"}, asked)
    again = Preprocessor.from_card(fit.preprocessor.to_card())
    return again.transform({"x": rows})


@pytest.mark.filterwarnings("ignore:n_quantiles")
@pytest.mark.parametrize("n", [2, 37, 3000])
@pytest.mark.parametrize("kind", ["normal", "heavy", "ties", "mostly one", "missing", "tiny"])
@pytest.mark.parametrize("fill", ["median", "mean"])
@pytest.mark.parametrize("scaling", list(SCALERS))
def test_scaling_is_that_of_scikit_learn(scaling: str, fill: str, kind: str, n: int) -> None:
    train, rows = draw(kind, n, 1), draw(kind, 500, 2)
    if np.isnan(train).all() or np.nanmin(train) == np.nanmax(train):
        pytest.fail("the sample has no two values")
    expected = make_pipeline(SimpleImputer(strategy=fill), SCALERS[scaling]).fit(train[:, None])
    for given in (train, rows):
        mine = encode(train, given, numeric_scaling=scaling, missing=fill)
        np.testing.assert_allclose(mine, expected.transform(given[:, None]), rtol=1e-5, atol=2e-6)


def test_the_smooth_scale_bends_what_robust_makes_to_between_3_and_minus_3() -> None:
    train, rows = draw("heavy", 500, 1), np.array([0.0, 1e300, -1e300, 2.0])
    robust = encode(train, rows[[0, 3]], numeric_scaling="robust")
    smooth = encode(train, rows, numeric_scaling="robust_smooth")
    np.testing.assert_allclose(smooth[[0, 3]], robust / np.sqrt(1 + (robust / 3) ** 2), rtol=1e-5)
    np.testing.assert_allclose(smooth[[1, 2], 0], [3, -3])
    flag = np.array([0.0] * 9 + [4.0])
    np.testing.assert_allclose(encode(flag, flag, numeric_scaling="robust_smooth")[-1], 2 / np.sqrt(1 + 4 / 9))


@pytest.mark.parametrize("scaling", [*SCALERS, "robust_smooth"])
@pytest.mark.parametrize("embedding", ["none", "piecewise_linear", "periodic"])
def test_a_constant_is_one_column_of_zeros_whatever_comes_later(scaling: str, embedding: str) -> None:
    made = encode(np.full(9, 0.1), np.array([0.1, 5, NAN]), numeric_scaling=scaling, numeric_embedding=embedding)
    assert made.tolist() == [[0], [0], [0]]


def test_clipping_holds_scaled_numbers_within_bounds() -> None:
    made = encode(np.array([-1.0, 1.0]), np.array([-9, -0.5, 0.25, 9]), numeric_clip=2.0)
    assert made[:, 0].tolist() == [-2, -0.5, 0.25, 2]


def test_the_indicator_can_be_left_out() -> None:
    train = np.array([1, NAN, 3])
    assert encode(train, train, missing_indicator=True).shape == (3, 2)
    assert encode(train, train).shape == (3, 1)
    words = {"c": np.array(["a", None], dtype=object)}
    fit = fit_preprocessor(words, {"c": "categorical"}, Hyperparameters(missing_indicator=False))
    assert fit.preprocessor.transform(words).tolist() == [[1], [0]]


@pytest.mark.parametrize("kind", ["normal", "ties", "mostly one"])
def test_piecewise_linear_is_equation_1_of_its_paper(kind: str) -> None:
    train, rows = draw(kind, 300, 1), draw(kind, 200, 2) * 2
    x = (rows - train.mean()) / train.std()
    edges = np.unique(np.quantile((train - train.mean()) / train.std(), np.linspace(0, 1, 9)))
    n_bins = len(edges) - 1
    expected = np.empty((len(x), n_bins))
    for row, t in itertools.product(range(len(x)), range(1, n_bins + 1)):
        low, high = edges[t - 1], edges[t]
        if x[row] < low and t > 1:
            expected[row, t - 1] = 0
        elif x[row] >= high and t < n_bins:
            expected[row, t - 1] = 1
        else:
            expected[row, t - 1] = (x[row] - low) / (high - low)
    made = encode(train, rows, numeric_embedding="piecewise_linear", embedding_bins=8)
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-5)


def test_a_flag_in_bins_stays_one_number() -> None:
    flag = np.array([0.0] * 7 + [1.0] * 3)
    assert encode(flag, flag[-4:], numeric_embedding="piecewise_linear", embedding_bins=2).tolist() == [[0]] + [[1]] * 3


def test_periodic_is_sine_and_cosine_of_learned_frequencies() -> None:
    train, flat = draw("normal", 400, 1), np.full(400, 7.0)
    columns = {"flat": flat, "a": train, "b": np.where(np.arange(400) % 3 == 0, NAN, train)}
    asked = Hyperparameters(numeric_embedding="periodic", embedding_frequencies=3)
    plain = fit_preprocessor(columns, dict.fromkeys(columns, "numeric"), asked).preprocessor
    shown = plain.transform(columns)
    scaled = (train - train.mean()) / train.std()
    np.testing.assert_allclose(shown[:, 1], scaled, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(plain.embed(shown), shown)
    learned = np.array([0.1, -2, 3, 4, 0.5, 0], np.float32)
    able = Preprocessor.from_card(plain.with_frequencies(learned, 3).to_card())
    np.testing.assert_array_equal(able.transform(columns), shown)
    angles = 2 * np.pi * shown[:, 1:3, None].astype(float) * learned.reshape(2, 3).astype(float)
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=2)
    expected = np.concatenate([shown[:, :1], waves[:, 0], waves[:, 1], shown[:, 3:]], axis=1)
    np.testing.assert_allclose(able.embed(shown), expected, atol=1e-12)
    assert (able.n_inputs, able.n_embedded) == (4, 14)


def test_quantiles_of_the_normal_distribution_are_those_of_scipy() -> None:
    share = np.concatenate([np.linspace(1e-6, 1 - 1e-6, 5001), 10.0 ** -np.linspace(1, 6.9, 500)])
    np.testing.assert_allclose(normal_quantile(share), norm.ppf(share), atol=1e-9)
    np.testing.assert_allclose(normal_quantile(np.array([0.0, 0.5, 1.0])), [-5.199338, 0, 5.199338], atol=1e-6)


@pytest.mark.parametrize("scaling", list(SCALERS))
def test_numbers_too_large_to_scale_are_refused_by_column(scaling: str) -> None:
    column = np.array([-1.5e308, 1.5e308, 1.0, 2.0, 3.0] if scaling != "robust" else [1.0, 2, 3, 4, 1e300])
    if scaling == "quantile":
        assert np.isfinite(encode(column, column, numeric_scaling=scaling)).all()
        return
    with pytest.raises(FeatureError, match="column 'x' holds numbers too large to scale"):
        encode(column, column, numeric_scaling=scaling)


def words(*cells: Any) -> np.ndarray:
    column = np.empty(len(cells), dtype=object)
    column[:] = cells
    return column


def test_one_hot_is_that_of_scikit_learn_with_its_most_frequent_categories() -> None:
    rng = np.random.default_rng(3)
    train, rows = (rng.choice(list("abcdefgh"), n, p=np.arange(1, 9) / 36).astype(object) for n in (500, 200))
    rows[:5] = "new"
    for most in (3, 255):
        hyper = Hyperparameters(max_categories=most)
        fit = fit_preprocessor({"c": train}, {"c": "categorical"}, hyper)
        kept = [["f", "g", "h"]] if most == 3 else "auto"
        expected = OneHotEncoder(categories=kept, handle_unknown="ignore", sparse_output=False)
        expected.fit(train[np.isin(train, list("fgh"))][:, None] if most == 3 else train[:, None])
        np.testing.assert_array_equal(fit.preprocessor.transform({"c": rows}), expected.transform(rows[:, None]))
        assert any("3 most frequent are kept" in note for note in fit.notes) == (most == 3)


def test_true_and_false_are_both_kept_however_few_categories_are() -> None:
    flags = {"f": words(True, False, True)}
    fit = fit_preprocessor(flags, {"f": "boolean"}, Hyperparameters(max_categories=1))
    assert (fit.preprocessor.transform(flags).tolist(), fit.notes) == ([[0, 1], [1, 0], [0, 1]], [])


@pytest.mark.parametrize(
    ("cells", "values", "codes"),
    [
        (words("b", None, "a", "b"), ("a", "b"), [1, -1, 0, 1]),
        (words(True, "true", 1.0, 1, False), ("1", "false", "true"), [2, 2, 0, 0, 1]),
        (np.array([3, 2.5, NAN, 3]), ("2.5", "3"), [1, 0, -1, 1]),
        (np.array(["2020-01-31", "NaT"], dtype="datetime64[us]"), ("2020-01-31",), [0, -1]),
    ],
)
def test_cells_become_codes_of_sorted_texts(cells: np.ndarray, values: tuple[str, ...], codes: list[int]) -> None:
    coded = code_column(cells)
    assert (coded.values, coded.codes.tolist()) == (values, codes)
    assert [None if c < 0 else coded.values[c] for c in coded.codes] == [category_text(cell) for cell in cells]
    assert coded[np.array([0, 1])].codes.tolist() == codes[:2]


def test_categories_keep_within_the_room_that_is_left_fairly_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    n = 4000
    rng = np.random.default_rng(4)
    columns = {
        "x": rng.normal(size=n),
        "few": rng.choice(list("abc"), n).astype(object),
        "many": np.array([f"m{i % 2500}" for i in range(n)], dtype=object),
        "most": np.array([f"m{i % 3000}" for i in range(n)], dtype=object),
    }
    kinds = {"x": "numeric", "few": "categorical", "many": "categorical", "most": "categorical"}
    hyper = Hyperparameters(max_categories=100_000)
    whole = fit_preprocessor(columns, kinds, hyper)
    assert [feature.width for feature in whole.preprocessor.features] == [1, 3, 2500, 3000]
    monkeypatch.setattr(preprocess, "MOST_NUMBERS", n * 204)
    within = fit_preprocessor(columns, kinds, hyper)
    assert [feature.width for feature in within.preprocessor.features] == [1, 3, 100, 100]
    assert sum("most frequent are kept" in note for note in within.notes) == 2
    monkeypatch.setattr(preprocess, "MOST_NUMBERS", 0)
    least = fit_preprocessor(columns, kinds, hyper)
    assert [feature.width for feature in least.preprocessor.features] == [1, 3, 16, 16]


def test_an_embedding_too_large_for_the_rows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    train = draw("normal", 100, 1)
    monkeypatch.setattr(preprocess, "MOST_NUMBERS", 500)
    assert encode(train, train).shape == (100, 1)
    with pytest.raises(EncodingError, match="take fewer embedding_bins"):
        encode(train, train, numeric_embedding="piecewise_linear")


def dates(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[us]")


def test_a_date_is_a_trend_and_the_cycles_that_vary() -> None:
    column = dates("2020-01-06", "2020-01-13", "2020-02-03", "NaT")  # Mondays at midnight
    kinds = {"day": "date"}
    fit = fit_preprocessor({"day": column}, kinds, Hyperparameters())
    (feature,) = fit.preprocessor.features
    assert feature.cycles == ("month", "day_of_year")  # type: ignore[union-attr]
    made = fit.preprocessor.transform({"day": dates("2020-04-01T12:00", "NaT")})
    days = np.array([0, 7, 28, 7])  # the median stands in
    angles = 2 * np.pi * np.array([3 / 12, 91 / 366])
    trend = [(86.5 - days.mean()) / days.std(), (7 - days.mean()) / days.std()]
    np.testing.assert_allclose(made[:, 0], trend, rtol=1e-5)
    np.testing.assert_allclose(made[0, 1:], [f(a) for a in angles for f in (np.sin, np.cos)] + [0], atol=1e-6)
    assert made[1, 1:].tolist() == [0, 0, 0, 0, 1]


def test_weekdays_begin_on_monday_and_hours_at_midnight_before_1970_too() -> None:
    column = dates("1969-12-29T06:00", "2024-02-29T18:00")  # a Monday, a Thursday
    fit = fit_preprocessor({"day": column}, {"day": "date"}, Hyperparameters())
    (feature,) = fit.preprocessor.features
    made = fit.preprocessor.transform({"day": column})
    place = 1 + 2 * feature.cycles.index("weekday")  # type: ignore[union-attr]
    angle = 2 * np.pi * np.array([0, 3]) / 7
    np.testing.assert_allclose(made[:, place : place + 2], np.stack([np.sin(angle), np.cos(angle)], 1), atol=1e-6)
    np.testing.assert_allclose(made[:, -2:], [[1, 0], [-1, 0]], atol=1e-6)


def test_the_trend_of_a_date_is_scaled_and_embedded_as_numbers_are() -> None:
    rng = np.random.default_rng(5)
    column = np.datetime64("2020-01-01", "us") + rng.integers(0, 1000, 200).astype("timedelta64[D]")
    days = column.astype("datetime64[D]").astype(np.float64)
    hyper: dict[str, Any] = {"numeric_scaling": "quantile", "numeric_embedding": "piecewise_linear"}
    made = fit_preprocessor({"d": column}, {"d": "date"}, Hyperparameters(**hyper)).preprocessor.transform(
        {"d": column}
    )
    np.testing.assert_array_equal(made[:, :16], encode(days, days, **hyper))


def test_codes_travel_smaller_than_cells() -> None:
    coded = code_column(np.array([f"town number {i % 50}" for i in range(10_000)], dtype=object))
    assert isinstance(coded, CodedColumn)
    assert coded.codes.itemsize == 4
    assert len(coded.values) == 50
