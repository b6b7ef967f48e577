"""Bodies of the requests that change a job; to submit one is `workers.body.JobSpec`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from search.budget import MOST_TRIALS
from service.schemas import LabelKey, LabelValue, Name


class JobPatch(BaseModel):
    """What can be changed about a job at any time."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = Field(None, description="A new name; null leaves it.", examples=["housing, second try"])
    labels: dict[LabelKey, LabelValue] | None = Field(
        None, max_length=50, description="All labels anew; null leaves them.", examples=[{"team": "a"}]
    )


class Extension(BaseModel):
    """More trials for a job."""

    model_config = ConfigDict(extra="forbid")

    trials: int = Field(
        ge=1, le=MOST_TRIALS, strict=True, description="All that it shall have, more than now.", examples=[128]
    )


class Edit(BaseModel):
    """Another space for the trials of a job that have not begun."""

    model_config = ConfigDict(extra="forbid")

    space: dict[str, JsonValue] = Field(
        default_factory=dict,
        max_length=1000,
        description="A JSON merge patch of the spec's space; a parameter of a preset is given whole.",
        examples=[{"learning_rate": {"type": "float", "low": 1e-3, "high": 1e-2, "log": True}}],
    )
    constraints: list[JsonValue] | None = Field(
        None, description="All constraints anew; null leaves them, [] is none.", examples=[["units <= 128"]]
    )

    def asked(self) -> dict[str, Any]:
        """Give what it says, without what it leaves out."""
        said: dict[str, Any] = {"space": self.space} if self.space else {}
        return said if self.constraints is None else said | {"constraints": self.constraints}
