from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from models.bundled import BUNDLED, bundled_table, bundled_target


@pytest.mark.parametrize(
    ("name", "rows", "columns", "classes"),
    [
        ("iris", 150, 5, ["setosa", "versicolor", "virginica"]),
        ("wine", 178, 14, ["class_0", "class_1", "class_2"]),
        ("breast_cancer", 569, 31, ["benign", "malignant"]),
        ("digits", 1797, 65, list(range(10))),
        ("circle", 500, 3, ["blue", "orange"]),
        ("xor", 500, 3, ["blue", "orange"]),
        ("gauss", 500, 3, ["blue", "orange"]),
        ("spiral", 500, 3, ["blue", "orange"]),
    ],
)
def test_a_bundled_set_has_readable_classes(name: str, rows: int, columns: int, classes: list[object]) -> None:
    table = bundled_table(name)
    target = table.schema.column(bundled_target(name))
    assert (table.n_rows, len(table.columns)) == (rows, columns)
    assert target is not None
    assert target.classes == classes


def test_breast_cancer_calls_the_larger_class_benign() -> None:
    diagnosis = bundled_table("breast_cancer").columns["diagnosis"]
    assert (diagnosis == "benign").sum() == 357


def test_diabetes_is_a_regression_in_raw_units() -> None:
    table = bundled_table("diabetes")
    assert table.schema.column(bundled_target("diabetes")).kind == "numeric"  # type: ignore[union-attr]
    assert 18 < table.columns["age"].mean() < 80


def test_the_2d_sets_are_the_same_in_another_process() -> None:
    program = "from models.bundled import bundled_table as t; print([t(n).columns['x1'][7] for n in ('xor', 'spiral')])"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert other.strip() == str([bundled_table(name).columns["x1"][7] for name in ("xor", "spiral")])


def test_xor_is_told_by_the_sign_of_the_product_and_circle_by_the_radius() -> None:
    xor = bundled_table("xor").columns
    assert ((xor["x1"] * xor["x2"] > 0) == (xor["label"] == "blue")).all()
    circle = bundled_table("circle").columns
    radius = np.hypot(circle["x1"], circle["x2"])
    assert radius[circle["label"] == "blue"].max() < 3 < radius[circle["label"] == "orange"].min()


def test_bundled_tables_cannot_be_changed_by_those_who_share_them() -> None:
    with pytest.raises(ValueError, match="read-only"):
        bundled_table("iris").columns["species"][0] = "rose"


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match="'mnist'; there are iris, wine"):
        bundled_table("mnist")
    assert len(BUNDLED) == 9
