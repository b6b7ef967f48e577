"""What a job may spend. Who counts it, and when a clock stop takes effect, is the controller's matter."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

MOST_TRIALS = 100_000
MOST_EPOCHS = 100_000
DEFAULT_TRIALS = 64


class Budget(BaseModel):
    """Ceilings; the search ends at the first that is reached."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    trials: int | None = Field(
        default=None,
        ge=1,
        le=MOST_TRIALS,
        strict=True,
        description=f"Number of trials; null is {DEFAULT_TRIALS}, or all points of a grid.",
        examples=[64],
    )
    epochs_per_trial: int = Field(
        default=30,
        ge=1,
        le=MOST_EPOCHS,
        strict=True,
        description="Most epochs that one trial trains; a scheduler may end it earlier.",
        examples=[30],
    )
    seconds: float | None = Field(
        default=None, gt=0, le=1e9, description="Wall-clock seconds of training; null is no limit.", examples=[None]
    )
    patience_trials: int | None = Field(
        default=None,
        ge=1,
        le=MOST_TRIALS,
        strict=True,
        description="End the search once so many trials in a row have ended without a better objective; null never.",
        examples=[None],
    )
    min_improvement: float = Field(
        default=0.0,
        ge=0,
        description="What is better by no more than this is no improvement to patience_trials.",
        examples=[1e-3],
    )
    stop_at: float | None = Field(
        default=None, description="End the search once a trial's objective is this good.", examples=[None]
    )
