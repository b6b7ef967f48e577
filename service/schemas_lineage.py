"""Wire types of what a population remembers; the others are in `service/schemas.py`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class CopyView(BaseModel):
    """A trial went on from the weights of another one, or began with what fits its network of them."""

    trial: int
    segment: int = Field(description="Number of the stretch of its life that begins with the copy.")
    round: int | None = Field(
        description="The round at whose end it was copied; where it inherits, that made the weights."
    )
    inherits: bool = Field(description="Whether it begins anew, at age 0, with what its network can take of them.")
    source_trial: int = Field(description="Whose weights; of a job that follows a schedule, its own.")
    source_epoch: int = Field(description="Age of these weights; 0 where they are inherited.")
    parameters: dict[str, Any] = Field(description="What it goes on with.")


class PassageView(BaseModel):
    """Epochs that weights were trained through with the same hyperparameters."""

    trial: int = Field(description="The trial that trained them.")
    first_epoch: int
    last_epoch: int
    inherits: bool = Field(description="Whether ages begin anew with what its network can take of these weights.")
    copied_from: int | None = Field(description="The trial that its weights came from; null for fresh ones.")
    round: int | None = Field(description="The round at whose end they were copied; null for fresh ones.")
    parameters: dict[str, Any]


class ScheduleView(BaseModel):
    """What led to the best epoch of a trial, whoever lived it."""

    trial: int
    objective: float | None
    epoch: int = Field(description="Its best epoch, which is the last one here.")
    passages: list[PassageView] = Field(description="From fresh weights on.")
    replay: dict[str, Any] = Field(description="Body for `POST /v1/jobs`: one trial that trains all of it again.")
