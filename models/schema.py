"""What is known of a table without its rows, and how its rows are split: wire types. No numpy, no torch, no reading."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ColumnKind = Literal["numeric", "categorical", "boolean", "date", "empty"]
Scalar = str | int | float | bool
MAX_CLASSES = 1000
"""Distinct values are listed up to this many."""


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
    """A random share of the rows."""

    kind: Literal["fraction"] = "fraction"
    fraction: float = Field(default=0.2, gt=0, lt=1, description="Share of all rows.", examples=[0.2])


class ColumnPart(_Strict):
    """The rows whose `column` holds one of `values`; the column is then no feature."""

    kind: Literal["column"]
    column: str = Field(description="Name of the column that marks the rows.", examples=["split"])
    values: list[Scalar] = Field(min_length=1, description="Values that put a row into this part.", examples=[["test"]])


class Holdout(_Strict):
    """A random share of the rows that are left after the test part."""

    kind: Literal["holdout"] = "holdout"
    fraction: float = Field(
        default=0.2, gt=0, lt=1, description="Share of the rows that are not test rows.", examples=[0.2]
    )
    stratify: Literal["auto"] | bool = Field(
        default="auto",
        description="Keep the shares of the classes; auto does so for classification.",
        examples=["auto"],
    )
    group: str | None = Field(default=None, description="Column whose groups stay together. Not yet.", examples=[None])


class Kfold(_Strict):
    """Cross-validation. Not yet."""

    kind: Literal["kfold"]
    folds: int = Field(default=3, ge=2, description="Number of folds.", examples=[3])


TestPart = Annotated[FractionPart | ColumnPart, Field(discriminator="kind")]
ValidationPart = Annotated[Holdout | ColumnPart | Kfold, Field(discriminator="kind")]


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
    stopping: Any = Field(default=None, description="A separate early-stopping part. Not yet.", examples=[None])
    seed: int = Field(
        default=0,
        ge=0,
        lt=2**32,
        description="Seed of the split, apart from the job's own, so that jobs stay comparable.",
    )
