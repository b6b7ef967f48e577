"""What is known of a table without its rows, and how its rows are split: wire types. No numpy, no torch, no reading."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

ColumnKind = Literal["numeric", "categorical", "boolean", "date", "empty"]
Scalar = str | int | float | bool
MAX_CLASSES = 1000
"""Distinct values are listed up to this many."""
MOST_FOLDS = 100


class ColumnSchema(BaseModel):
    """One column. `cardinality` counts distinct values, missing ones left out."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: ColumnKind
    missing: int = 0
    cardinality: int
    integral: bool = Field(default=False, description="Numeric with whole numbers only.")
    minimum: float | str | None = Field(default=None, description="Smallest number, or earliest date as text.")
    maximum: float | str | None = Field(default=None, description="Largest number, or latest date as text.")
    examples: list[Any] = []
    classes: list[Any] | None = Field(
        default=None, description=f"Distinct values, sorted, when there are at most {MAX_CLASSES}; else null."
    )
    counts: list[int] | None = Field(default=None, description="Rows of each of `classes`, in the same order.")


class TableSchema(BaseModel):
    """A table's columns and how many rows it has."""

    model_config = ConfigDict(frozen=True)

    rows: int
    columns: list[ColumnSchema]

    def column(self, name: str) -> ColumnSchema | None:
        """Find a column by name."""
        return next((column for column in self.columns if column.name == name), None)


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FractionPart(_Strict):
    """A share of the rows: drawn at random, or the last ones where the validation part is ordered in time."""

    kind: Literal["fraction"] = "fraction"
    fraction: float = Field(
        default=0.2,
        gt=0,
        lt=1,
        description="Share of all rows; of the training rows for a stopping part.",
        examples=[0.2],
    )


class ColumnPart(_Strict):
    """The rows whose `column` holds one of `values`; the column is then no feature."""

    kind: Literal["column"]
    column: str = Field(description="Name of the column that marks the rows.", examples=["split"])
    values: list[Scalar] = Field(min_length=1, description="Values that put a row into this part.", examples=[["test"]])


class _Drawn(_Strict):
    """What random parts agree on; a random test or stopping part follows it too."""

    stratify: Literal["auto"] | bool = Field(
        default="auto",
        description="Keep the shares of the classes; auto does so for classification without groups.",
        examples=["auto"],
    )
    group: str | None = Field(
        default=None,
        description="Column whose groups stay together; no feature unless columns.include names it.",
        examples=[None],
    )


class Holdout(_Drawn):
    """A random share of the rows that are left after the test part."""

    kind: Literal["holdout"] = "holdout"
    fraction: float = Field(
        default=0.2, gt=0, lt=1, description="Share of the rows that are not test rows.", examples=[0.2]
    )


class Kfold(_Drawn):
    """Cross-validation: the rows that are left after the test part validate in turns, each once in every repeat."""

    kind: Literal["kfold"]
    folds: int = Field(default=3, ge=2, le=MOST_FOLDS, strict=True, description="Number of folds.", examples=[3])
    repeats: int = Field(
        default=1, ge=1, le=MOST_FOLDS, strict=True, description="How often rows are dealt into folds.", examples=[1]
    )


class ColumnFolds(_Strict):
    """Cross-validation by a column: each of its values is a fold; the column is then no feature."""

    kind: Literal["folds"]
    column: str = Field(description="Name of the column that numbers the folds.", examples=["fold"])


class TimeOrder(_Strict):
    """Rows in the order of a column: the last ones validate; with folds, windows that grow."""

    kind: Literal["time"]
    column: str = Field(
        description="Column of numbers, or of dates as ISO 8601 has them; no feature unless columns.include names it.",
        examples=["date"],
    )
    fraction: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Share of the rows that are not test rows; null is 0.2, or folds.",
        examples=[0.2],
    )
    folds: int | None = Field(
        default=None,
        ge=2,
        le=MOST_FOLDS,
        strict=True,
        description="Fold i trains on the first i of folds + 1 stretches and validates on the next one.",
        examples=[None],
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> TimeOrder:
        if self.folds is not None and self.fraction is not None:
            raise ValueError("fraction and folds exclude each other: folds are stretches of equal length")
        return self


TestPart = Annotated[FractionPart | ColumnPart, Field(discriminator="kind")]
StoppingPart = TestPart
ValidationPart = Annotated[Holdout | Kfold | ColumnPart | ColumnFolds | TimeOrder, Field(discriminator="kind")]


class Split(_Strict):
    """Which rows test, validate and train. The test part is cut first and scored for winners only."""

    test: TestPart | None = Field(
        default=FractionPart(),
        description="The test part; null keeps none.",
        examples=[{"kind": "fraction", "fraction": 0.2}],
    )
    validation: ValidationPart = Field(
        default=Holdout(), description="The part that ranks trials.", examples=[{"kind": "holdout", "fraction": 0.2}]
    )
    stopping: StoppingPart | None = Field(
        default=None,
        description="Taken from the training rows: decides the best epoch; validation rows still rank.",
        examples=[{"kind": "fraction", "fraction": 0.1}],
    )
    seed: int = Field(
        default=0,
        ge=0,
        lt=2**32,
        description="Seed of the split, apart from the job's own, so that jobs stay comparable.",
    )


def is_folded(split: Split) -> bool:
    """Say whether several folds validate."""
    validation = split.validation
    return isinstance(validation, Kfold | ColumnFolds) or (
        isinstance(validation, TimeOrder) and validation.folds is not None
    )
