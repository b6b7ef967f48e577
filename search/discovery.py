"""Finds the plug-ins in `search/algorithms`, `search/schedulers`, `search/imports`: a new file is the whole change."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import Field

import search.algorithms
import search.imports
import search.schedulers
from search.foreign import Format
from search.plugins import Algorithm, Scheduler


def discover(folder: ModuleType, base: type[Any]) -> dict[str, type[Any]]:
    """Import every module of a folder and list its plug-ins by kind, sorted."""
    found: dict[str, type[Any]] = {}
    for info in pkgutil.iter_modules(folder.__path__, f"{folder.__name__}."):
        module = importlib.import_module(info.name)
        own: list[Any] = [value for value in vars(module).values() if _is_own(value, module)]
        found.update({value.name(): value for value in own if issubclass(value, base)})
    return dict(sorted(found.items()))


def _is_own(value: Any, module: ModuleType) -> bool:
    return isinstance(value, type) and value.__module__ == module.__name__


ALGORITHMS: dict[str, type[Algorithm]] = discover(search.algorithms, Algorithm)
SCHEDULERS: dict[str, type[Scheduler]] = discover(search.schedulers, Scheduler)
FORMATS: dict[str, type[Format]] = discover(search.imports, Format)

if TYPE_CHECKING:
    AnyAlgorithm = Algorithm
    AnyScheduler = Scheduler
else:
    AnyAlgorithm = Annotated[Union[tuple(ALGORITHMS.values())], Field(discriminator="kind")]  # noqa: UP007
    AnyScheduler = Annotated[Union[tuple(SCHEDULERS.values())], Field(discriminator="kind")]  # noqa: UP007
