"""Uploads to stored tables: parsed by a child process under limits, kept by content under the data directory.

Run as `python -m service.ingest REQUEST` it is that child. No HTTP, no SQL.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from models.data import Table, TableError, TableFormat, TableLimitError, detect_format, read_table, write_parquet
from models.schema import TableSchema

IngestCode = Literal["unreadable-table", "too-large"]
STALE_SECONDS = 3600
_WORK_PREFIX = ".ingest-"
_ROOT = Path(__file__).resolve().parents[1]


class IngestError(ValueError):
    """An upload that was refused; `code` is a problem type, `line` counts from 1 where one line is to blame."""

    def __init__(self, code: IngestCode, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.line = line


class DatasetError(RuntimeError):
    """A stored table that is gone or is no longer what was stored."""


@dataclass(frozen=True)
class IngestLimits:
    """What one upload may cost. `memory_bytes` counts on top of what the child needs for itself."""

    inflated_bytes: int = 2**30
    memory_bytes: int = 2**31
    seconds: float = 30.0


class Ingested(NamedTuple):
    """An accepted upload. `n_bytes` is the size of the file that was sent."""

    table_schema: TableSchema
    sha256: str
    n_bytes: int
    format: TableFormat


def ingest(path: Path, data_dir: Path, filename: str = "", limits: IngestLimits | None = None) -> Ingested:
    """Parse an uploaded file and store its table; a refused one leaves nothing behind.

    `filename` is what the user calls it: it only decides whether a broken file was meant to be Parquet.

    Raises: IngestError; OSError if the disk does not take it.
    """
    folder = data_dir / "datasets"
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    limits = limits or IngestLimits()
    with tempfile.TemporaryDirectory(dir=folder, prefix=_WORK_PREFIX) as work:
        stored = Path(work) / "table.parquet"
        request = {"path": str(path), "filename": filename, "stored": str(stored), "limits": asdict(limits)}
        answer = _run_child(request, limits)
        os.replace(stored, dataset_path(data_dir, answer["sha256"]))
    _sync_folder(folder)
    schema = TableSchema.model_validate(answer["schema"])
    return Ingested(schema, answer["sha256"], path.stat().st_size, answer["format"])


def dataset_path(data_dir: Path, sha256: str) -> Path:
    """Name the file of a stored table.

    Raises: ValueError for anything but a sha256 in hex.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ValueError(f"{sha256[:80]!r} is no sha256 in lower-case hex")
    return data_dir / "datasets" / f"{sha256}.parquet"


def load_dataset(data_dir: Path, sha256: str) -> Table:
    """Read a stored table and verify that it is the one that was stored.

    Raises: DatasetError.
    """
    path = dataset_path(data_dir, sha256)
    try:
        found = _hash_file(path)
    except FileNotFoundError:
        raise DatasetError(f"the file of dataset {sha256} is gone from {path.parent}") from None
    if found != sha256:
        raise DatasetError(f"the file {path.name} has changed: its sha256 is now {found}")
    return read_table(path, "parquet")


def _run_child(request: dict[str, Any], limits: IngestLimits) -> dict[str, Any]:
    command = [sys.executable, "-m", "service.ingest", json.dumps(request)]
    # The child needs no secret of the service: it inherits no environment.
    environment = {"PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, capture_output=True, timeout=limits.seconds, cwd=_ROOT, env=environment)
    except subprocess.TimeoutExpired:
        raise IngestError("too-large", f"the table takes longer than {limits.seconds:g} s to read") from None
    if done.returncode == -signal.SIGXCPU:
        raise IngestError("too-large", f"the table takes longer than {limits.seconds:g} s to read")
    if done.returncode < 0:  # killed by a limit, or by a file that broke the parser
        raise IngestError("too-large", f"the table cannot be read in {limits.memory_bytes / 2**20:,.0f} MiB of memory")
    if done.returncode > 0:
        raise RuntimeError(f"reading an upload failed: {done.stderr.decode(errors='replace')[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    if "errno" in answer:
        raise OSError(answer["errno"], answer["message"])
    if "code" in answer:
        raise IngestError(answer["code"], answer["message"], answer["line"])
    return answer


def _sweep(folder: Path) -> None:
    """Remove what an API that was killed in the middle of an upload has left."""
    for work in folder.glob(f"{_WORK_PREFIX}*"):
        if time.time() - work.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(work, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    """Do the child's work: read, store, describe; a refusal is an answer too."""
    limits = IngestLimits(**request["limits"])
    try:
        with _limited(limits):
            return _store(Path(request["path"]), Path(request["stored"]), request["filename"], limits)
    except TableLimitError as error:
        return {"code": "too-large", "message": error.message, "line": error.line}
    except TableError as error:
        return {"code": "unreadable-table", "message": error.message, "line": error.line}
    except MemoryError:
        message = f"the table needs more than {limits.memory_bytes / 2**20:,.0f} MiB of memory"
        return {"code": "too-large", "message": message, "line": None}
    except OSError as error:
        return {"errno": error.errno, "message": error.strerror or str(error)}


def _store(path: Path, stored: Path, filename: str, limits: IngestLimits) -> dict[str, Any]:
    if path.stat().st_size > limits.inflated_bytes:
        raise TableLimitError(f"the file has more than {limits.inflated_bytes:,} bytes")
    tempfile.tempdir = str(stored.parent)  # what is inflated goes away with the parent's folder
    form = detect_format(path, filename, limits.inflated_bytes)
    table = read_table(path, form, limits.inflated_bytes)
    with stored.open("wb") as file:
        write_parquet(table, file)
        file.flush()
        os.fsync(file.fileno())
    return {"schema": table.schema.model_dump(mode="json"), "sha256": _hash_file(stored), "format": form}


@contextmanager
def _limited(limits: IngestLimits) -> Iterator[None]:
    """Cap memory and processor time of this process; memory is lifted again so that a refusal can be told."""
    cpu_seconds = int(limits.seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    pages = Path("/proc/self/statm")
    if not pages.exists():  # only Linux both tells the baseline and keeps the limit
        yield
        return
    baseline = int(pages.read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (baseline + limits.memory_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _use_one_thread() -> None:
    import pyarrow as pa  # only the child parses

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)


if __name__ == "__main__":
    _use_one_thread()
    print(json.dumps(_answer(json.loads(sys.argv[1]))), flush=True)
    # Arrow's threads, still starting while the interpreter ends, abort about one process in some hundreds.
    os._exit(0)
