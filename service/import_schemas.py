"""What `POST /v1/spaces/import` takes and answers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from search.discovery import FORMATS

_EXAMPLE = {"x": {"name": "FloatDistribution", "attributes": {"low": 1e-5, "high": 0.1, "log": True, "step": None}}}


class ImportBody(BaseModel):
    """A document that was written for another tuner."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[tuple(FORMATS)] | None = Field(  # type: ignore[valid-type]  # known once formats are found
        default=None, description="What it is; null recognises it.", examples=["optuna"]
    )
    document: JsonValue = Field(
        description="The document as JSON, or the text of it: JSON or YAML; the catalog has an example of each format.",
        examples=[_EXAMPLE],
    )


class NoteView(BaseModel):
    """What the job says otherwise than the document, or leaves out."""

    path: str = Field(description="Of the field in the document; empty is all of it.")
    message: str


class ImportView(BaseModel):
    """A job for the trainer external, ready for `POST /v1/jobs/preview` and `POST /v1/jobs`."""

    format: str
    job: dict[str, Any] = Field(description="A body of a job; whoever sends it may add to it.")
    notes: list[NoteView]
