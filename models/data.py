"""Files to tables: CSV and Parquet, either gzipped. What the values mean for a network is `models/preprocess.py`."""

from __future__ import annotations

import gzip
import tempfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models.csv_table import check_names, numbers_to_column, read_csv, strings_to_column
from models.dates import FIRST, LAST
from models.table import MAX_COLUMNS, MAX_ROWS, Column, Table, TableError, TableLimitError, column_kind, missing_mask

__all__ = ["Table", "TableError", "TableFormat", "TableLimitError", "detect_format", "read_table", "write_parquet"]

TableFormat = Literal["csv", "parquet"]
MAX_INFLATED_BYTES = 2**30
GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"
CHUNK_BYTES = 2**20


def read_table(
    path: Path | str, format: TableFormat, max_bytes: int = MAX_INFLATED_BYTES, as_text: Collection[str] = ()
) -> Table:
    """Read a table; gzip is recognised by its first bytes, whatever the file is called.

    CSV columns named in `as_text` stay text: "007" is not 7 to a model that knows the category "007".

    Raises: TableError, TableLimitError.
    """
    with open_plain(Path(path), max_bytes) as file:
        return Table(read_csv(file, as_text) if format == "csv" else _read_parquet(file))


def detect_format(path: Path | str, name: str = "", max_bytes: int = MAX_INFLATED_BYTES) -> TableFormat:
    """Tell Parquet from CSV by the first bytes; a file that is named Parquet is taken at its word.

    Raises: TableError for a damaged gzip stream.
    """
    with open_plain(Path(path), max_bytes) as file:
        is_parquet = file.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC
    return "parquet" if is_parquet or name.lower().removesuffix(".gz").endswith((".parquet", ".pq")) else "csv"


@contextmanager
def open_plain(path: Path, max_bytes: int) -> Iterator[BinaryIO]:
    """Open a file for reading, inflated into a temporary one if it is gzipped.

    Raises: TableLimitError if it inflates to more than `max_bytes`, TableError if the gzip stream is damaged.
    """
    with path.open("rb") as file:
        is_gzip = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        file.seek(0)
        if not is_gzip:
            yield file
            return
        with tempfile.TemporaryFile() as plain:
            _inflate(file, plain, max_bytes)
            plain.seek(0)
            yield plain


def _inflate(file: BinaryIO, plain: BinaryIO, max_bytes: int) -> None:
    n_bytes = 0
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                n_bytes += len(chunk)
                if n_bytes > max_bytes:
                    raise TableLimitError(f"the gzip file inflates to more than {max_bytes:,} bytes")
                plain.write(chunk)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TableError(f"the gzip file is damaged: {error}") from None


def _read_parquet(file: BinaryIO) -> dict[str, Column]:
    try:
        parquet = pq.ParquetFile(file)
        _check_footer(parquet)
        table = parquet.read(use_threads=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, pa.ArrowKeyError, OSError) as error:
        if getattr(error, "errno", None) is not None:  # the disk's fault, not the file's
            raise
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise TableError(f"the file cannot be read as Parquet: {reason}") from None
    if table.num_rows == 0:
        raise TableError("the table has no rows")
    return {name: _arrow_column(table[name], name) for name in table.column_names}


def _check_footer(parquet: pq.ParquetFile) -> None:
    if parquet.metadata.num_rows > MAX_ROWS:
        raise TableLimitError(f"the table has {parquet.metadata.num_rows:,} rows; at most {MAX_ROWS:,} are allowed")
    if parquet.metadata.num_columns > MAX_COLUMNS:
        given = parquet.metadata.num_columns
        raise TableLimitError(f"the table has {given:,} columns; at most {MAX_COLUMNS:,} are allowed")
    check_names(parquet.schema_arrow.names)
    if not parquet.schema_arrow.names:
        raise TableError("the table has no columns")


def _arrow_column(column: pa.ChunkedArray, name: str) -> Column:
    """Numbers become float64, dates datetime64; truth values, text and times objects; nested values are refused."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return numbers_to_column(column.cast(pa.float64(), safe=False), name)
    if pa.types.is_null(kind):
        return np.full(len(column), None, dtype=object)
    if pa.types.is_boolean(kind):
        return np.array(column.to_pylist(), dtype=object)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return strings_to_column(pc.cast(column, pa.string()))
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return _dates_to_column(column, name)
    if pa.types.is_time(kind):
        return strings_to_column(pc.cast(column, pa.string()))
    raise TableError(f"column {name!r} holds {kind}; numbers, text, dates, true and false can be read")


def _dates_to_column(dates: pa.ChunkedArray, name: str) -> Column:
    """Turn Arrow's dates into numpy's, in UTC.

    Raises: TableError for a date that cannot be written with a year of four digits.
    """
    try:
        column = np.array(dates.cast(pa.timestamp("us"), safe=False).to_numpy(), dtype="datetime64[us]")
    except pa.ArrowInvalid:
        raise TableError(f"column {name!r} holds dates outside the years 1 to 9999") from None
    outside = (column < FIRST) | (column > LAST)
    if outside.any():
        row = int(outside.argmax()) + 1
        raise TableError(f"column {name!r} holds a date outside the years 1 to 9999 in row {row}")
    return column


def write_parquet(table: Table, file: BinaryIO) -> None:
    """Write a table so that reading it again gives the same table."""
    arrays = [_to_arrow(column) for column in table.columns.values()]
    pq.write_table(pa.table(arrays, names=list(table.columns)), file, compression="zstd")


def _to_arrow(column: Column) -> pa.Array:
    kind = column_kind(column)
    if kind == "empty":
        return pa.nulls(len(column))
    types = {"numeric": pa.float64(), "boolean": pa.bool_(), "date": pa.timestamp("us"), "categorical": pa.string()}
    return pa.array(column, type=types[kind], mask=missing_mask(column))
