from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.data import read_table
from service.ingest import (
    STALE_SECONDS,
    DatasetError,
    IngestError,
    IngestLimits,
    dataset_path,
    ingest,
    load_dataset,
)
from tests.shared_data import shared_data

__all__ = ["shared_data"]


def upload(folder: Path, content: str | bytes) -> Path:
    path = folder / "upload"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def stored_files(data_dir: Path) -> list[str]:
    return sorted(path.name for path in (data_dir / "datasets").iterdir())


def refuse(folder: Path, content: str | bytes, filename: str = "", limits: IngestLimits | None = None) -> IngestError:
    data_dir = folder / "data"
    with pytest.raises(IngestError) as caught:
        ingest(upload(folder, content), data_dir, filename, limits)
    assert stored_files(data_dir) == []
    return caught.value


def to_parquet(folder: Path, table: pa.Table) -> bytes:
    pq.write_table(table, folder / "source.parquet", compression="zstd")
    return (folder / "source.parquet").read_bytes()


def test_an_accepted_upload_is_stored_by_content_and_read_back(tmp_path: Path) -> None:
    content = "n,c,flag,nothing\n1,x,true,\n2.5,,false,\n"
    done = ingest(upload(tmp_path, content), tmp_path, "rows.csv")
    assert (done.format, done.n_bytes) == ("csv", len(content))
    assert [column.kind for column in done.table_schema.columns] == ["numeric", "categorical", "boolean", "empty"]
    assert stored_files(tmp_path) == [f"{done.sha256}.parquet"]
    table = load_dataset(tmp_path, done.sha256)
    assert table.schema == done.table_schema
    assert table.columns["c"].tolist() == ["x", None]


def test_the_same_table_is_stored_once_however_it_was_packed(tmp_path: Path) -> None:
    plain = ingest(upload(tmp_path, "a,b\n1,x\n2,y\n"), tmp_path)
    packed = ingest(upload(tmp_path, gzip.compress(b"a,b\n1,x\n2,y\n")), tmp_path, "rows.csv.gz")
    parquet = ingest(upload(tmp_path, to_parquet(tmp_path, pa.table({"a": [1, 2], "b": ["x", "y"]}))), tmp_path)
    assert plain.sha256 == packed.sha256 == parquet.sha256
    assert parquet.format == "parquet"
    assert len(stored_files(tmp_path)) == 1


def test_the_real_housing_table_is_taken(tmp_path: Path, shared_data: Path) -> None:
    done = ingest(shared_data / "california_housing.csv", tmp_path)
    assert done.table_schema.rows == 20_640
    direct = read_table(shared_data / "california_housing.csv", "csv")
    np.testing.assert_array_equal(load_dataset(tmp_path, done.sha256).columns["MedInc"], direct.columns["MedInc"])


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("a,b\n1,2\n3\n", 3, "line 3 has 1 fields, the header has 2"),
        (b"a,b\n1,\0\n", 2, "NUL"),
        ("name\ncafé\n".encode("latin-1"), 2, "not UTF-8"),
        ("a,b\n", None, "no rows"),
        (b"", None, "empty"),
        (b"PAR1" + bytes(50), None, "cannot be read as Parquet"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-6], None, "gzip file is damaged"),
    ],
)
def test_an_unreadable_upload_is_refused_and_leaves_nothing(
    tmp_path: Path, content: str | bytes, line: int | None, message: str
) -> None:
    error = refuse(tmp_path, content)
    assert error.code == "unreadable-table", error.message
    assert error.line == line
    assert message in error.message


def test_a_file_that_is_named_parquet_and_is_none_is_refused(tmp_path: Path) -> None:
    error = refuse(tmp_path, "a,b\n1,2\n", "rows.parquet")
    assert error.code == "unreadable-table"
    assert "cannot be read as Parquet" in error.message


def test_a_truncated_parquet_file_is_refused(tmp_path: Path) -> None:
    whole = to_parquet(tmp_path, pa.table({"a": np.arange(10_000.0)}))
    assert refuse(tmp_path, whole[: len(whole) // 2]).code == "unreadable-table"
    assert refuse(tmp_path, whole[:-100]).code == "unreadable-table"


def test_a_gzip_bomb_is_refused_before_it_is_inflated(tmp_path: Path) -> None:
    bomb = gzip.compress(b"a,b\n" + bytes(50_000_000).replace(b"\0", b"1"))
    assert len(bomb) < 60_000
    error = refuse(tmp_path, bomb, limits=IngestLimits(inflated_bytes=5_000_000))
    assert error.code == "too-large"
    assert "more than 5,000,000 bytes" in error.message


def test_a_small_parquet_file_that_needs_more_memory_than_allowed_is_refused(tmp_path: Path) -> None:
    zeros = np.zeros(1_000_000)
    bomb = to_parquet(tmp_path, pa.table({f"c{i}": zeros for i in range(100)}))
    assert len(bomb) < 1_000_000
    error = refuse(tmp_path, bomb, limits=IngestLimits(memory_bytes=200 * 2**20))
    assert error.code == "too-large"
    assert "200 MiB" in error.message


def test_an_upload_that_takes_too_long_is_refused(tmp_path: Path) -> None:
    error = refuse(tmp_path, "a\n1\n", limits=IngestLimits(seconds=0.01))
    assert error.code == "too-large"
    assert "longer than 0.01 s" in error.message


def test_a_hundred_thousand_columns_are_refused(tmp_path: Path) -> None:
    header = ",".join(f"c{i}" for i in range(100_000))
    error = refuse(tmp_path, f"{header}\n{'1,' * 99_999}1\n")
    assert error.code == "too-large"
    assert "100,000 columns; at most 10,000" in error.message


def test_ten_thousand_columns_are_taken_within_the_default_limits(tmp_path: Path) -> None:
    header = ",".join(f"c{i}" for i in range(10_000))
    done = ingest(upload(tmp_path, header + "\n" + (",".join(["7"] * 10_000) + "\n") * 20), tmp_path)
    assert len(done.table_schema.columns) == 10_000


def test_two_rows_are_taken(tmp_path: Path) -> None:
    assert ingest(upload(tmp_path, "a\n1\n2\n"), tmp_path).table_schema.rows == 2


def test_the_child_inherits_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONSTARTUP", "/nonexistent")
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")  # would break a child that inherited it
    assert ingest(upload(tmp_path, "a\n1\n2\n"), tmp_path).table_schema.rows == 2


def test_a_stored_table_that_has_changed_or_gone_is_not_served(tmp_path: Path) -> None:
    sha256 = ingest(upload(tmp_path, "a\n1\n2\n"), tmp_path).sha256
    path = dataset_path(tmp_path, sha256)
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    with pytest.raises(DatasetError, match="has changed"):
        load_dataset(tmp_path, sha256)
    path.unlink()
    with pytest.raises(DatasetError, match="is gone"):
        load_dataset(tmp_path, sha256)


@pytest.mark.parametrize("name", ["../../etc/passwd", "A" * 64, "", "0" * 63, "0" * 64 + "\n"])
def test_only_a_sha256_names_a_stored_table(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no sha256"):
        load_dataset(tmp_path, name)


def test_a_fault_of_the_disk_is_not_blamed_on_the_table(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ingest(tmp_path / "never-arrived", tmp_path)
    assert stored_files(tmp_path) == []


def test_what_a_killed_service_left_is_swept_later_and_work_in_progress_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "datasets"
    (folder / ".ingest-old").mkdir(parents=True)
    (folder / ".ingest-old" / "table.parquet").write_bytes(b"half")
    (folder / ".ingest-new").mkdir()
    past = os.stat(folder).st_mtime - STALE_SECONDS - 60
    os.utime(folder / ".ingest-old", (past, past))
    done = ingest(upload(tmp_path, "a\n1\n2\n"), tmp_path)
    assert stored_files(tmp_path) == [".ingest-new", f"{done.sha256}.parquet"]
