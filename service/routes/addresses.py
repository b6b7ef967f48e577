"""What addresses and headers hold: ids, names of formats, keys. Their patterns keep nonsense away from the database."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Path, Query

from search.trial import TrialState

_ID = r"^[A-Za-z0-9_-]{1,40}$"
_LARGEST = 2**31 - 1

JobId = Annotated[str, Path(pattern=_ID, description="Id of a job.", examples=["j_2f7c6xq4mbn3vtla"])]
ModelId = Annotated[str, Path(pattern=_ID, description="Id of a model.", examples=["m_2f7c6xq4mbn3vtla"])]
DatasetId = Annotated[
    str, Path(pattern=_ID, description="Id of an upload, or name of a bundled set.", examples=["iris"])
]
TrialNumber = Annotated[int, Path(ge=0, le=_LARGEST, description="Number of a trial within its job.", examples=[0])]
States = Annotated[list[TrialState] | None, Query(description="Only trials in one of these states.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="Any text of yours; the same key with the same body answers with the same job.",
    ),
]
LastEventId = Annotated[str | None, Header(pattern=r"^\d{1,9}$", description="Number of the last event received.")]
