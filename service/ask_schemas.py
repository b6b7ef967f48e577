"""Wire types of ask and tell: what programs that train outside send, and what they hear."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from search.trial import JobState, TrialState
from service.schemas import Moment

Action = Literal["continue", "pause", "stop"]
Client = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,100}$"),
    Field(
        description="A name of your own for one worker; the same name gets the same trials back.", examples=["gpu-7"]
    ),
]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
LARGEST = 2**31 - 1


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    client: Client


class AskBody(_Body):
    """A client asks for trials to train."""

    count: int = Field(default=1, ge=1, le=100, strict=True, description="Most trials to hold at once.", examples=[1])
    lease_seconds: float = Field(
        default=60.0, ge=1, le=86_400, description="How long you may be silent about a trial.", examples=[60]
    )
    wait_seconds: float = Field(
        default=5.0, ge=0, le=30, description="How long to wait for a trial where there is none now.", examples=[5]
    )


class TellBody(_Body):
    """A client tells of one step of a trial, or that it has failed."""

    step: int | None = Field(
        default=None,
        ge=1,
        le=LARGEST,
        strict=True,
        description="How far it is trained, from 1 to `steps`; steps rise and may be left out. Of a failure: null.",
        examples=[3],
    )
    values: dict[str, Number] = Field(
        default_factory=dict,
        max_length=101,
        description="The objective by its name, and other values that the job names in `metrics`.",
        examples=[{"loss": 0.25}],
    )
    final: bool = Field(
        default=False,
        strict=True,
        description="You train it no further; the last step is always final.",
        examples=[True],
    )
    error: str | None = Field(
        default=None, min_length=1, max_length=10_000, description="Why the trial has failed.", examples=[None]
    )


class HeartbeatBody(_Body):
    """A client says that it still trains a trial."""


class Handed(BaseModel):
    """A trial to train."""

    trial: int
    parameters: dict[str, Any] = Field(description="Of its point, and what the job has `fixed`.")
    step: int = Field(description="The last step that was told; 0 is a fresh trial. Go on behind it.")
    steps: int = Field(description="Train no further than this.")
    lease_expires_at: Moment


class AskView(BaseModel):
    """Trials to train; none, where `state` says why, or where all are held by others for now."""

    state: JobState
    ended: bool = Field(description="There will be no more: succeeded, failed or cancelled.")
    trials: list[Handed]


class TellView(BaseModel):
    """What to do with the trial now."""

    trial: int
    step: int
    action: Action = Field(
        description="`continue`; `pause`: leave it, keep its state, and ask again; `stop`: it has ended."
    )
    decided: bool = Field(description="Whether the scheduler has heard of the step; if not, the next answer tells.")
    state: TrialState


class HeartbeatView(BaseModel):
    """What to do with the trial now, and how long it is yours."""

    trial: int
    action: Action
    state: TrialState
    lease_expires_at: Moment | None = Field(description="null: the trial has ended.")
