"""What a job says of the columns of its table: dates, kinds, encodings that vary."""

from __future__ import annotations

import numpy as np
import pytest

from models.features import Feature
from models.prepare import PrepareError, prepare
from models.table import Table
from tests.workers.spec_tables import refusal_of, resolve_job
from workers.resolved import ResolvedJob
from workers.trainers import TRAINERS

N = 60
DAYS = np.datetime64("2020-01-01", "us") + (np.arange(N) % 10).astype("timedelta64[D]")
ISO = [str(day)[:10] for day in DAYS]


def make_table(last: str = "2021-01-01") -> Table:
    return Table(
        {
            "day": DAYS,
            "text": np.array([*ISO[:-1], last], dtype=object),
            "unlisted": np.array([*(f"{1900 + i}-01-01" for i in range(N - 1)), last], dtype=object),
            "c": np.array([f"c{i % 9}" for i in range(N)], dtype=object),
            "x": np.arange(float(N)),
            "price": np.arange(float(N)) ** 2,
        }
    )


TABLE = make_table()


def features_of(job: ResolvedJob) -> tuple[Feature, ...]:
    """What the job makes of its columns."""
    prepared = prepare(TABLE, job.prepare_request())
    return prepared.job_data.encoder(prepared.hyper, 0).preprocessor.features


def test_dates_are_features_of_their_kind_and_text_may_be_told_to_be_dates() -> None:
    job = resolve_job(TABLE.schema, columns={"kinds": {"text": "date"}})
    kinds = {feature.name: feature.kind for feature in job.features}
    assert kinds == {"day": "date", "text": "date", "unlisted": "categorical", "c": "categorical", "x": "numeric"}
    features = features_of(job)
    assert [feature.kind for feature in features[:2]] == ["date", "date"]
    as_text = resolve_job(TABLE.schema, columns={"kinds": {"day": "categorical"}})
    (day,) = [f for f in features_of(as_text) if f.name == "day"]
    assert day.categories == tuple(sorted(set(ISO)))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        ({"target": "day"}, "target", "'day' holds dates; predict a number"),
        ({"target": "text", "columns": {"kinds": {"text": "date"}}}, "target", "holds dates"),
        ({"columns": {"kinds": {"day": "numeric"}}}, "columns.kinds.day", "it holds dates"),
        ({"columns": {"kinds": {"c": "date"}}}, "columns.kinds.c", "such as 'c0'"),
        ({"columns": {"kinds": {"x": "date"}}}, "columns.kinds.x", "no dates as in 2020-01-31, such as 0"),
        ({"columns": {"kinds": {"day": "boolean"}}}, "columns.kinds.day", "'date'"),
        (
            {"split": {"test": {"kind": "column", "column": "day", "values": ["2020-02-01"]}}},
            "split.test.values",
            "it holds '2020-01-01', '2020-01-02'",
        ),
    ],
)
def test_dates_where_they_make_no_sense_are_refused_by_name(body: dict[str, object], path: str, words: str) -> None:
    _, problems = refusal_of(TABLE.schema, **{"columns": {}, **body})
    assert words in problems[path]


def test_text_that_turns_out_to_be_no_date_is_refused_by_its_column() -> None:
    table = make_table(last="soon")
    job = resolve_job(make_table().schema, columns={"kinds": {"text": "date"}})
    with pytest.raises(PrepareError, match="'text' holds values that are no dates, such as 'soon'") as caught:
        prepare(table, job.prepare_request())
    assert caught.value.path == "columns.kinds.text"


def test_a_split_may_be_marked_by_dates() -> None:
    marked = {"kind": "column", "column": "day", "values": ["2020-01-09", "2020-01-10"]}
    job = resolve_job(TABLE.schema, columns={}, split={"test": marked})
    assert (job.rows.test, job.features[0].name) == (12, "text")
    prepared = prepare(TABLE, job.prepare_request())
    assert prepared.y_test is not None
    assert prepared.y_test[:, 0].tolist() == [i**2 for i in range(N) if i % 10 in (8, 9)]


def test_bins_gain_the_condition_under_which_they_mean_something() -> None:
    space = {
        "numeric_embedding": {"type": "choice", "values": ["none", "piecewise_linear"]},
        "embedding_bins": {"type": "int", "low": 4, "high": 64, "log": True},
    }
    job = resolve_job(TABLE.schema, columns={}, space=space)
    assert "embedding_bins" not in job.decode(job.space.encode({"numeric_embedding": "none"}))
    assert "embedding_bins" in job.decode(job.space.encode({"numeric_embedding": "piecewise_linear"}))


def test_notes_speak_of_what_the_job_asks_for() -> None:
    job = resolve_job(TABLE.schema, columns={}, fixed={"max_categories": 5})
    notes = prepare(TABLE, job.prepare_request()).notes
    assert "column 'c' has 9 categories; the 5 most frequent are kept, the others count as unseen" in notes


def test_an_encoding_of_columns_that_are_not_there_is_harmless() -> None:
    job = resolve_job(TABLE.schema, columns={"include": ["x"]}, fixed={"max_categories": 5})
    assert prepare(TABLE, job.prepare_request()).data.x_train.shape[1] == 1
    assert TRAINERS["mlp"].build(job.space.default_point(), job.fixed).max_categories == 5
