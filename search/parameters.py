"""One parameter of a space, by its `type`.

How a law is encoded is `search/scales.py`. Names, conditions between parameters and whole points belong to
`search/space.py`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from search.choices import ChoiceParameter
from search.numbers import FloatParameter, IntParameter
from search.scales import Categories, Domain, Interval

__all__ = ["Categories", "ChoiceParameter", "Domain", "FloatParameter", "IntParameter", "Interval", "Parameter"]

Parameter = Annotated[FloatParameter | IntParameter | ChoiceParameter, Field(discriminator="type")]
