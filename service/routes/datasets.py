"""`/v1/datasets`: uploads and bundled sets."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile

from models.bundled import BUNDLED
from service.bodies import check_json
from service.context import Context, Given
from service.datasets import view_bundled
from service.errors import Problem, field_problem, not_found
from service.ingest import Ingested, IngestError, IngestLimits, dataset_path, ingest
from service.paging import Cursor, Limit, cut_page, decode_cursor
from service.queries.datasets import get_dataset, is_content_shared, list_datasets, list_users
from service.routes.addresses import DatasetId
from service.schemas import DatasetDetail, DatasetView, Page
from service.tables import Dataset, new_id
from service.views import view_dataset, view_dataset_detail

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])


@router.get("")
def list_all(context: Given, limit: Limit = 50, cursor: Cursor = None) -> Page[DatasetView]:
    """List uploads, newest first; the last page ends with the bundled sets."""
    before = decode_cursor(cursor, (int, float), str)
    with context.database.reading() as session:
        rows = list_datasets(session, before=(before[0], before[1]) if before else None, limit=limit + 1)
    page, next_cursor = cut_page(rows, limit, lambda row: (row.created_at, row.id))
    items = [view_dataset(row) for row in page]
    if next_cursor is None:
        items.extend(DatasetView.model_validate(view_bundled(name)) for name in BUNDLED)
    return Page(items=items, next_cursor=next_cursor)


@router.post("", status_code=201)
def upload(
    context: Given,
    file: Annotated[UploadFile, File(description="CSV or Parquet, either may be gzipped.")],
    name: Annotated[str | None, Form(min_length=1, max_length=200, description="Null takes the file's name.")] = None,
) -> DatasetDetail:
    """Upload a table; the answer lists its columns as they were understood."""
    filename = Path(file.filename or "").name
    title = (name or filename or "upload")[:200]
    check_json({"name": title, "file": filename})
    ingested = _ingest(context, file, filename)
    row = Dataset(
        id=new_id("d"),
        name=title,
        format=ingested.format,
        n_rows=ingested.table_schema.rows,
        n_bytes=ingested.n_bytes,
        sha256=ingested.sha256,
        columns=ingested.table_schema.model_dump(mode="json")["columns"],
    )
    with context.database.writing() as session:
        session.add(row)
        session.flush()
        session.refresh(row)
        if not dataset_path(context.settings.data_dir, row.sha256).exists():
            raise Problem("storage-unavailable", "the same data were deleted at this moment; upload them again")
        return view_dataset_detail(row)


@router.get("/{dataset_id}")
def get(context: Given, dataset_id: DatasetId) -> DatasetDetail:
    """Show a dataset with its columns."""
    if dataset_id in BUNDLED:
        return view_bundled(dataset_id)
    with context.database.reading() as session:
        row = get_dataset(session, dataset_id)
    if row is None:
        raise not_found("dataset", dataset_id)
    return view_dataset_detail(row)


@router.delete("/{dataset_id}", status_code=204)
def delete(context: Given, dataset_id: DatasetId) -> None:
    """Delete an upload; jobs that have not ended for good still need theirs."""
    if dataset_id in BUNDLED:
        raise Problem("wrong-state", f"{dataset_id} is bundled with the service and stays")
    with context.database.writing() as session:
        row = get_dataset(session, dataset_id, lock=True)
        if row is None:
            raise not_found("dataset", dataset_id)
        if users := list_users(session, dataset_id):
            raise Problem(
                "wrong-state", f"{len(users)} jobs use this dataset, such as {users[0]}: cancel or delete them"
            )
        sha256 = row.sha256
        session.delete(row)
        session.flush()
        if not is_content_shared(session, sha256):  # within the transaction: an upload of the same bytes waits for it
            dataset_path(context.settings.data_dir, sha256).unlink(missing_ok=True)


def _ingest(context: Context, file: UploadFile, filename: str) -> Ingested:
    settings = context.settings
    limits = IngestLimits(settings.inflated_max_bytes, settings.parse_max_bytes, settings.parse_max_seconds)
    settings.datasets_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=settings.datasets_dir, prefix=".upload-") as copy:
        shutil.copyfileobj(file.file, copy)
        copy.flush()
        try:
            return ingest(Path(copy.name), settings.data_dir, filename, limits)
        except IngestError as error:
            said = error.message if error.line is None else f"line {error.line}: {error.message}"
            raise field_problem(error.code, "file", said) from None
