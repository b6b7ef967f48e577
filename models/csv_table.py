"""CSV to columns: UTF-8, commas, a header line. Which text is a number, a truth value or missing is decided here."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Collection, Iterator
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from models.dates import parse_dates
from models.table import MAX_COLUMNS, MAX_NAME_LENGTH, MAX_ROWS, Column, TableError, TableLimitError

NULLS = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "-NaN", "null", "NULL", "Null", "None", "none", "?")
"""Fields that mean a missing value, spaces around them aside."""
MAX_LINE_BYTES = 16 * 2**20
CHUNK_BYTES = 2**20


def read_csv(file: BinaryIO, as_text: Collection[str] = ()) -> dict[str, Column]:
    """Read the columns of a CSV file; those named in `as_text` stay text even if all of it are numbers.

    Raises: TableError, TableLimitError.
    """
    _check_text(file)
    names = _read_header(file)
    strings = _read_strings(file, names)
    columns = {name.strip(): _mark_missing(column) for name, column in zip(names, strings, strict=True)}
    return {
        name: strings_to_column(column) if name in as_text else to_column(column, name)
        for name, column in columns.items()
    }


def check_names(names: list[str]) -> None:
    """Refuse too many columns, and names that are empty, very long or stand twice.

    Raises: TableError, TableLimitError.
    """
    if len(names) > MAX_COLUMNS:
        raise TableLimitError(f"the table has {len(names):,} columns; at most {MAX_COLUMNS:,} are allowed", 1)
    seen: set[str] = set()
    for position, name in enumerate(names, start=1):
        if not name.strip():
            raise TableError(f"column {position} of {len(names)} has no name", 1)
        if len(name) > MAX_NAME_LENGTH:
            raise TableError(f"the name of column {position}, {name[:40]!r}..., is longer than {MAX_NAME_LENGTH}", 1)
        if name.strip() in seen:
            raise TableError(f"the column name {name.strip()!r} stands twice in the header", 1)
        seen.add(name.strip())


def _check_text(file: BinaryIO) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    file.seek(0)
    while chunk := file.read(CHUNK_BYTES):
        if (nul := chunk.find(b"\0")) >= 0:
            line += chunk.count(b"\n", 0, nul)
            raise TableError(f"line {line} holds a NUL byte: this is no text file", line)
        _decode(decoder, chunk, line)
        line += chunk.count(b"\n")
    _decode(decoder, b"", line, final=True)


def _decode(decoder: codecs.IncrementalDecoder, chunk: bytes, line: int, final: bool = False) -> None:
    held = len(decoder.getstate()[0])
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        line += chunk.count(b"\n", 0, max(error.start - held, 0))
        given = error.object[error.start : error.start + 1].hex()
        raise TableError(f"line {line} is not UTF-8 (byte 0x{given}): save the file as UTF-8", line) from None


def _records(file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the line it starts at, empty lines left out as pyarrow does."""
    file.seek(0)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    reader = csv.reader(iter(lambda: text.readline(MAX_LINE_BYTES), ""))
    line = 1
    try:
        for record in reader:
            if record:
                yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        raise TableError(f"line {line} cannot be read: {error}", line) from None
    finally:
        text.detach()


def _read_header(file: BinaryIO) -> list[str]:
    _, names = next(_records(file), (1, []))
    if not names:
        raise TableError("the file is empty: a header line with column names is expected")
    for other in (";", "\t", "|"):
        if len(names) == 1 and other in names[0]:
            raise TableError(f"the header {names[0][:60]!r} is separated by {other!r}; only commas are read", 1)
    check_names(names)
    return names


def _read_strings(file: BinaryIO, names: list[str]) -> list[pa.ChunkedArray]:
    """Let Arrow cut the file into fields, every field a string."""
    file.seek(0)
    batches: list[pa.RecordBatch] = []
    n_rows = 0
    try:
        with pa_csv.open_csv(
            file,
            read_options=pa_csv.ReadOptions(use_threads=False, block_size=MAX_LINE_BYTES),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(column_types={name: pa.string() for name in names}),
        ) as reader:
            for batch in reader:
                n_rows += batch.num_rows
                if n_rows > MAX_ROWS:
                    raise TableLimitError(f"the table has more than {MAX_ROWS:,} rows")
                batches.append(batch)
    except pa.ArrowInvalid as error:
        raise _explain(file, len(names), str(error)) from None
    if n_rows == 0:
        raise TableError("the table has a header and no rows")
    columns: list[pa.ChunkedArray] = pa.Table.from_batches(batches).columns
    return columns


def _explain(file: BinaryIO, n_names: int, message: str) -> TableError:
    """Name the first ragged line: Arrow counts rows, people count lines."""
    for line, record in _records(file):
        if len(record) != n_names:
            return TableError(f"line {line} has {len(record)} fields, the header has {n_names}", line)
    return TableError(f"the file cannot be read as CSV: {message.splitlines()[0][:200]}")


def _mark_missing(strings: pa.ChunkedArray) -> pa.ChunkedArray:
    trimmed = pc.utf8_trim_whitespace(strings)
    return pc.if_else(pc.is_in(trimmed, pa.array(NULLS)), pa.scalar(None, pa.string()), trimmed)


def to_column(values: pa.ChunkedArray, name: str) -> Column:
    """Turn text into numbers, truth values or dates if all of it are that, else keep it.

    Raises: TableError for an infinite number.
    """
    if values.null_count == len(values):
        return np.full(len(values), None, dtype=object)
    try:
        return numbers_to_column(pc.cast(values, pa.float64()), name)
    except pa.ArrowInvalid:
        return _text_to_column(values)


def numbers_to_column(numbers: pa.ChunkedArray, name: str) -> Column:
    """Turn Arrow's float64 into numpy's, missing as NaN.

    Raises: TableError for an infinite number.
    """
    column = np.array(numbers.to_numpy(), dtype=np.float64)
    if np.isinf(column).any():
        row = int(np.isinf(column).argmax()) + 1
        raise TableError(f"column {name!r} is infinite in row {row}; leave the field empty for a missing value")
    return column


def strings_to_column(strings: pa.ChunkedArray) -> Column:
    """Turn Arrow's strings into an object array; equal strings share one object."""
    texts, places = _distinct(strings)
    column: Column = np.array([*texts, None], dtype=object)[places]
    return column


def _distinct(strings: pa.ChunkedArray) -> tuple[list[str], NDArray[np.intp]]:
    """List the texts that are there, and the place of each row's text among them; -1 is missing."""
    encoded = pc.dictionary_encode(strings).combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    return encoded.dictionary.to_pylist(), pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)


def _text_to_column(values: pa.ChunkedArray) -> Column:
    texts, places = _distinct(values)
    truth = {"true": True, "false": False}
    read: list[str | bool] = list(texts)
    if all(text.lower() in truth for text in texts):
        read = [truth[text.lower()] for text in texts]
    elif (dates := parse_dates(texts)) is not None:
        return np.append(dates, np.datetime64("NaT"))[places]
    column: Column = np.array([*read, None], dtype=object)[places]
    return column
