from __future__ import annotations

import gzip
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.data import Table, TableError, TableLimitError, detect_format, read_table, write_parquet


def read_text(folder: Path, text: str | bytes) -> Table:
    path = folder / "table.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_table(path, "csv")


def read_arrow(folder: Path, table: pa.Table) -> Table:
    pq.write_table(table, folder / "table.parquet")
    return read_table(folder / "table.parquet", "parquet")


def kinds(table: Table) -> dict[str, str]:
    return {column.name: column.kind for column in table.schema.columns}


def test_a_csv_column_is_numeric_boolean_categorical_or_empty_by_what_it_holds(tmp_path: Path) -> None:
    table = read_text(
        tmp_path,
        "count,share,flag,day,mixed,nothing\n1,0.5,true,2020-01-31,1,\n2,-1e3,FALSE,2020-02-01,x,NA\n,nan,,null,,\n",
    )
    assert kinds(table) == {
        "count": "numeric",
        "share": "numeric",
        "flag": "boolean",
        "day": "date",
        "mixed": "categorical",
        "nothing": "empty",
    }
    np.testing.assert_array_equal(table.columns["count"], [1, 2, np.nan])
    np.testing.assert_array_equal(table.columns["share"], [0.5, -1000, np.nan])
    assert table.columns["flag"].tolist() == [True, False, None]
    assert table.columns["mixed"].tolist() == ["1", "x", None]
    assert table.columns["day"].dtype == np.dtype("datetime64[us]")
    assert [str(day) for day in table.columns["day"].astype("datetime64[D]")] == ["2020-01-31", "2020-02-01", "NaT"]


def test_dates_with_times_and_zones_are_read_in_utc_and_told_as_text(tmp_path: Path) -> None:
    cells = ["2020-01-31T12:30:00+02:00", "2020-01-31 10:30:00.25", "2020-03-01T00:00Z", "2020-03-01", "null"]
    table = read_text(tmp_path, "\n".join(["when", *cells]))
    (column,) = table.schema.columns
    assert (column.kind, column.missing, column.cardinality) == ("date", 1, 3)
    assert column.classes == ["2020-01-31T10:30:00", "2020-01-31T10:30:00.250000", "2020-03-01"]
    assert (column.minimum, column.maximum) == ("2020-01-31T10:30:00", "2020-03-01")
    assert column.examples == ["2020-01-31T10:30:00", "2020-01-31T10:30:00.250000", "2020-03-01", "2020-03-01"]


@pytest.mark.parametrize("other", ["soon", "2020-02-30", "31.01.2020", "2020-1-31", "20200131", "2020-01-31T25:00"])
def test_text_that_is_not_all_dates_stays_text(tmp_path: Path, other: str) -> None:
    table = read_text(tmp_path, f"when\n2020-01-31\n{other}\n")
    assert kinds(table) == {"when": "categorical"}
    assert table.columns["when"].tolist() == ["2020-01-31", other]


def test_times_of_day_and_dates_of_every_unit_are_read_from_parquet(tmp_path: Path) -> None:
    moment = datetime(2020, 1, 31, 12)
    units = ("s", "ms", "us", "ns")
    stamps = {unit: pa.array([moment, None], pa.timestamp(unit)) for unit in units}
    zoned = pa.array([moment], pa.timestamp("us", "Europe/Oslo")).cast(pa.timestamp("us", "Asia/Tokyo"))
    table = read_arrow(tmp_path, pa.table({**stamps, "clock": pa.array([time(12, 30), None])}))
    assert kinds(table) == {**dict.fromkeys(units, "date"), "clock": "categorical"}
    for unit in units:
        assert table.columns[unit][0] == np.datetime64("2020-01-31T12:00:00")
    assert read_arrow(tmp_path, pa.table({"zoned": zoned})).columns["zoned"][0] == np.datetime64(moment)
    assert table.columns["clock"][0].startswith("12:30")


@pytest.mark.parametrize("spelling", ["", "NA", "N/A", "nan", "NaN", "null", "NULL", "None", "?", ' " "'])
def test_a_missing_value_may_be_spelled_in_many_ways(tmp_path: Path, spelling: str) -> None:
    table = read_text(tmp_path, f"a,b\n1,x\n{spelling},{spelling}\n".replace('" "', "   "))
    assert np.isnan(table.columns["a"][1])
    assert table.columns["b"].tolist() == ["x", None]


def test_spaces_a_byte_order_mark_windows_line_ends_and_quotes_are_read_as_people_mean_them(tmp_path: Path) -> None:
    table = read_text(
        tmp_path, b'\xef\xbb\xbf a , "b"\r\n 1 , "x, y"\r\n\r\n2,"two\r\nlines"\r\n'.replace(b', "', b',"')
    )
    assert list(table.columns) == ["a", "b"]
    assert table.columns["a"].tolist() == [1, 2]
    assert table.columns["b"].tolist() == ["x, y", "two\r\nlines"]


def test_a_schema_describes_every_column(tmp_path: Path) -> None:
    schema = read_text(tmp_path, "n,c\n2,b\n1,a\n2,b\n,\n").schema
    assert schema.rows == 4
    number, text = schema.columns
    assert (number.missing, number.cardinality, number.integral) == (1, 2, True)
    assert (number.minimum, number.maximum, number.classes, number.counts) == (1, 2, [1, 2], [1, 2])
    assert (text.missing, text.classes, text.counts, text.examples) == (1, ["a", "b"], [1, 2], ["b", "a", "b"])
    assert text.minimum is None


def test_a_column_with_very_many_values_lists_no_classes(tmp_path: Path) -> None:
    schema = read_text(tmp_path, "n\n" + "\n".join(str(i) for i in range(1001))).schema
    assert schema.columns[0].classes is None
    assert schema.columns[0].cardinality == 1001


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a,b\n1,2\n\n3\n", 4, "line 4 has 1 fields, the header has 2"),
        ('a,b\n"1\n2",3\n4,5,6\n', 4, "line 4 has 3 fields, the header has 2"),
        (b"a,b\n1,2\n3,\xe9\n", 3, "line 3 is not UTF-8"),
        (b"a,b\n1,2\n3,\0\n", 3, "line 3 holds a NUL byte"),
        ("a,b,a\n1,2,3\n", 1, "'a' stands twice"),
        ("a, \n1,2\n", 1, "column 2 of 2 has no name"),
        ("a;b\n1;2\n", 1, "separated by ';'"),
        ("a,b\n1,inf\n", None, "column 'b' is infinite in row 1"),
        ("a,b\n1,1e999\n", None, "column 'b' is infinite in row 1"),
        ("a,b\n", None, "no rows"),
        ("", None, "empty"),
        ("x" * 501 + ",b\n1,2\n", 1, "longer than 500"),
    ],
)
def test_a_bad_csv_file_is_refused_with_the_line_to_blame(
    tmp_path: Path, text: str | bytes, line: int | None, message: str
) -> None:
    with pytest.raises(TableError) as caught:
        read_text(tmp_path, text)
    assert message in caught.value.message
    assert caught.value.line == line


def test_a_character_cut_by_the_end_of_the_file_is_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="line 2 is not UTF-8"):
        read_text(tmp_path, b"a\nx\xc3")


def test_too_many_columns_are_refused_by_number(tmp_path: Path) -> None:
    header = ",".join(f"c{i}" for i in range(10_001))
    with pytest.raises(TableLimitError, match="10,001 columns; at most 10,000"):
        read_text(tmp_path, header + "\n")
    with pytest.raises(TableLimitError, match="10,001 columns; at most 10,000"):
        read_arrow(tmp_path, pa.table({f"c{i}": [1] for i in range(10_001)}))


def test_too_many_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TableLimitError, match="more than 2,000,000 rows"):
        read_text(tmp_path, "a\n" + "1\n" * 2_000_001)
    with pytest.raises(TableLimitError, match="2,000,001 rows"):
        read_arrow(tmp_path, pa.table({"a": np.zeros(2_000_001, dtype=np.int8)}))


def test_parquet_types_become_numbers_truth_values_and_text(tmp_path: Path) -> None:
    table = read_arrow(
        tmp_path,
        pa.table(
            {
                "int": pa.array([1, None], pa.int16()),
                "float": pa.array([0.5, float("nan")], pa.float32()),
                "decimal": pa.array([Decimal("1.25"), None]),
                "flag": pa.array([True, None]),
                "text": pa.array(["a", None]),
                "category": pa.array(["b", None]).dictionary_encode(),
                "day": pa.array([date(2020, 1, 31), None]),
                "instant": pa.array([datetime(2020, 1, 31, 12), None]),
                "nothing": pa.nulls(2),
            }
        ),
    )
    first = {name: column[0] for name, column in table.columns.items()}
    assert first.pop("instant") == np.datetime64("2020-01-31T12:00:00")
    assert first.pop("day") == np.datetime64("2020-01-31")
    assert first == {
        "int": 1,
        "float": 0.5,
        "decimal": 1.25,
        "flag": True,
        "text": "a",
        "category": "b",
        "nothing": None,
    }
    assert all(column.missing == 1 for column in table.schema.columns if column.kind != "empty")
    assert kinds(table)["nothing"] == "empty"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"a": [[1, 2]]}), "column 'a' holds list"),
        (pa.table({"a": [{"x": 1}]}), "column 'a' holds struct"),
        (pa.table({"a": [b"x"]}), "column 'a' holds binary"),
        (pa.table({"a": [float("inf")]}), "column 'a' is infinite in row 1"),
        (pa.table({"a": pa.array([0, 2**60], pa.timestamp("us"))}), "outside the years 1 to 9999 in row 2"),
        (pa.table({"a": pa.array([2**58], pa.timestamp("ms"))}), "outside the years 1 to 9999"),
        (pa.table({"a": pa.array([], pa.int64())}), "no rows"),
        (pa.table({"": [1]}), "column 1 of 1 has no name"),
        (pa.table([[1], [2]], names=["a", "a"]), "'a' stands twice"),
    ],
)
def test_a_parquet_table_that_is_no_flat_table_is_refused(tmp_path: Path, table: pa.Table, message: str) -> None:
    with pytest.raises(TableError, match=message):
        read_arrow(tmp_path, table)


def test_a_parquet_file_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    for content in (b"", b"PAR1", b"a,b\n1,2\n", b"PAR1" + bytes(100) + b"PAR1"):
        path.write_bytes(content)
        with pytest.raises(TableError, match="cannot be read as Parquet"):
            read_table(path, "parquet")


def test_gzip_is_recognised_by_its_bytes_not_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_bytes(gzip.compress(b"a,b\n1,x\n"))
    assert detect_format(path) == "csv"
    assert read_table(path, "csv").columns["b"].tolist() == ["x"]
    pq.write_table(pa.table({"a": [1]}), path)
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert detect_format(path) == "parquet"
    assert read_table(path, "parquet").n_rows == 1


def test_a_damaged_gzip_file_and_one_that_inflates_too_far_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    whole = gzip.compress(b"a,b\n" + b"1,2\n" * 100_000)
    path.write_bytes(whole[:-20])
    with pytest.raises(TableError, match="gzip file is damaged"):
        read_table(path, "csv")
    path.write_bytes(whole)
    with pytest.raises(TableLimitError, match="more than 1,000 bytes"):
        read_table(path, "csv", max_bytes=1000)


def test_a_table_written_as_parquet_reads_back_the_same(tmp_path: Path) -> None:
    table = read_text(tmp_path, "n,c,b,e,d\n1.5,x,true,,2020-01-31\n,,,,\n-2,z,false,,0031-01-31T01:02:03.000004\n")
    with (tmp_path / "stored.parquet").open("wb") as file:
        write_parquet(table, file)
    again = read_table(tmp_path / "stored.parquet", "parquet")
    assert again.schema == table.schema
    for name, column in table.columns.items():
        np.testing.assert_array_equal(again.columns[name], column)


def test_the_real_housing_table_is_read_whole(shared_data: Path) -> None:
    schema = read_table(shared_data / "california_housing.csv", "csv").schema
    assert schema.rows == 20_640
    split = schema.column("split")
    assert split is not None
    assert dict(zip(split.classes or [], split.counts or [], strict=True)) == {
        "test": 5160,
        "train": 11610,
        "valid": 3870,
    }
    assert all(column.kind == "numeric" for column in schema.columns if column.name != "split")
