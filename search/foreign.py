"""Documents of other tuners, read place by place: what is missing, wrong or unknown is said with its path.

What a document means is the matter of its format, in `search/imports`; what becomes of it is `search/draft.py`.
"""

from __future__ import annotations

import json
import math
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, ClassVar, TypeVar

from search.problems import FieldProblem, join_path

T = TypeVar("T")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_WHOLE = re.compile(r"[+-]?\d{1,18}")


class Unreadable(ValueError):
    """A document that cannot be imported; `problems` have its own paths."""

    def __init__(self, problems: list[FieldProblem]) -> None:
        super().__init__("; ".join(f"{problem.path}: {problem.message}" for problem in problems))
        self.problems = problems


@dataclass(frozen=True)
class Note:
    """What a job says otherwise than the document did, or leaves out."""

    path: str
    message: str


@dataclass(frozen=True)
class Imported:
    """The body of a job for the trainer external, made from a document in the format of that name."""

    format: str
    job: dict[str, Any]
    notes: list[Note]


@dataclass
class Report:
    """What is refused and what is noted while a document is read."""

    problems: dict[FieldProblem, None] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def raise_any(self) -> None:
        """Refuse the document if anything is wrong with it. Raises: Unreadable."""
        if self.problems:
            raise Unreadable(list(self.problems))


@dataclass
class Place:
    """A value somewhere in a document. What is null counts as absent. Names may be spelled camelCase or snake_case."""

    value: Any
    path: str
    report: Report
    _asked: set[str] = field(default_factory=set)

    @property
    def is_there(self) -> bool:
        """Whether the document says anything here."""
        return self.value is not None

    def refuse(self, message: str) -> None:
        """Say what is wrong here, once."""
        self.report.problems[FieldProblem(self.path, message)] = None

    def note(self, message: str) -> None:
        """Say what becomes something else."""
        self.report.notes.append(Note(self.path, message))

    def get(self, name: str) -> Place:
        """Go to a field, by its name in camelCase."""
        given, snake = self._fields(), _to_snake_case(name)
        self._asked.update((name, snake))
        spelled = [word for word in dict.fromkeys((name, snake)) if given.get(word) is not None] or [name]
        found = Place(given.get(spelled[0]), join_path(self.path, spelled[0]), self.report)
        if len(spelled) > 1:
            found.refuse(f"{snake} is given too: keep one of them")
        return found

    def need(self, name: str) -> Place:
        """Go to a field that has to be there."""
        found = self.get(name)
        if not found.is_there and isinstance(self.value, dict):
            found.refuse("this field is required")
        return found

    def fields(self) -> dict[str, Place]:
        """List the fields of an object whose names are the user's."""
        return {name: Place(value, join_path(self.path, name), self.report) for name, value in self._fields().items()}

    def items(self) -> list[Place]:
        """List the places of a list; of nothing, none."""
        if self.value is not None and not isinstance(self.value, list):
            self.refuse(f"a list is expected, got {shorten(self.value)}")
        given = self.value if isinstance(self.value, list) else []
        return [Place(value, join_path(self.path, place), self.report) for place, value in enumerate(given)]

    def set_aside(self, names: tuple[str, ...], reason: str) -> None:
        """Note the fields that have no counterpart."""
        for place in map(self.get, names):
            if place.is_there:
                place.note(reason)

    def close(self) -> None:
        """Refuse the fields that nobody has asked for."""
        for name in self._fields():
            if name not in self._asked and self._fields()[name] is not None:
                near = get_close_matches(name, self._asked, n=1)
                hint = f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(sorted(self._known()))}"
                Place(None, join_path(self.path, name), self.report).refuse(f"this field is not known{hint}")

    def text(self) -> str | None:
        """Read text."""
        if self.value is None or isinstance(self.value, str):
            return self.value
        self.refuse(f"text is expected, got {shorten(self.value)}")
        return None

    def number(self) -> float | None:
        """Read a number, which may be written as text."""
        value = self.value
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = int(value) if _WHOLE.fullmatch(value) else float(value)
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max:
            return value
        self.refuse(f"a finite number is expected, got {shorten(self.value)}")
        return None

    def whole(self, least: float = -math.inf, most: float = math.inf) -> int | None:
        """Read a whole number, from `least` to `most`."""
        value = self.number()
        if value is None or (value == int(value) and least <= value <= most):
            return None if value is None else int(value)
        ends = "" if least == -math.inf else f" from {least:g}" + ("" if most == math.inf else f" to {most:g}")
        self.refuse(f"a whole number{ends} is expected, got {shorten(self.value)}")
        return None

    def flag(self) -> bool:
        """Read true or false; nothing is false."""
        if self.value is not None and not isinstance(self.value, bool):
            self.refuse(f"true or false is expected, got {shorten(self.value)}")
        return self.value is True

    def choose(self, known: Mapping[str, T]) -> T | None:
        """Look a word up in a table of what it may be."""
        word = self.text()
        if word is not None and word not in known:
            self.refuse(f"{shorten(word)} is unknown; allowed: {', '.join(known)}")
        return known.get(word) if word is not None else None

    def as_word(self, words: Mapping[int, str]) -> Place:
        """Take a number for the word that it stands for in a protocol buffer, as Google's SDK writes it."""
        is_number = isinstance(self.value, int) and not isinstance(self.value, bool)
        return Place(words.get(self.value, self.value), self.path, self.report) if is_number else self

    def _fields(self) -> dict[str, Any]:
        if isinstance(self.value, dict):
            return self.value
        if self.value is not None:
            self.refuse(f"an object is expected, got {shorten(self.value)}")
        return {}

    def _known(self) -> set[str]:
        return {name for name in self._asked if "_" not in name}


class Format(ABC):
    """A kind of document. Its first docstring line is shown in the catalog, with the example."""

    kind: ClassVar[str]
    example: ClassVar[Any]

    @classmethod
    def name(cls) -> str:
        """Give the word that selects this format."""
        return cls.kind

    @classmethod
    def about(cls) -> str:
        """Give the line that the catalog shows."""
        return (cls.__doc__ or "").splitlines()[0]

    @classmethod
    @abstractmethod
    def recognises(cls, document: Any) -> bool:
        """Tell whether a JSON value looks like such a document, whatever may be wrong with it."""

    @classmethod
    @abstractmethod
    def read(cls, document: Any) -> Imported:
        """Translate a document. Raises: Unreadable."""


def shorten(value: Any) -> str:
    """Show a value in a message."""
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _to_snake_case(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
