"""Holds a method of ours against the method of Ray Tune that it stands in for, at every call."""

from __future__ import annotations

from typing import Any


class Comparison:
    """Lets a method answer as it does, and asks Tune's own the same."""

    def __init__(self, ours: type[Any], tunes: type[Any], name: str) -> None:
        self._ours, self._tunes = getattr(ours, name), getattr(tunes, name)
        self.answers: list[Any] = []

    def __get__(self, scheduler: Any, _: type[Any]) -> Any:
        return lambda *arguments: self._compare(scheduler, *arguments)

    def _compare(self, scheduler: Any, *arguments: Any) -> Any:
        expected, answer = self._tunes(scheduler, *arguments), self._ours(scheduler, *arguments)
        assert _listed(answer) == _listed(expected)
        self.answers.append(_listed(answer))
        return answer


def _listed(answer: Any) -> Any:
    return [list(part) for part in answer] if isinstance(answer, tuple) else answer
