"""Points that come again: a trial with the point of an earlier one has its seed and so its curve, and takes over its
reports. No fleet, no Tune."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from models.lanes import LaneReport


class Repeats:
    """Which trials have the same point, and the reports of the first of them, however many of them made them."""

    def __init__(self) -> None:
        self._by_point: dict[str, int] = {}
        self._first: dict[int, int] = {}
        self._reports: dict[tuple[int, int], LaneReport] = {}
        self.n_repeated = 0

    @property
    def is_news(self) -> bool:
        """Only one trial has repeated a point so far."""
        return self.n_repeated == 1

    def enter(self, number: int, point: Mapping[str, Any]) -> int:
        """Name the first trial that has this point: perhaps `number` itself."""
        first = self._by_point.setdefault(json.dumps(point, sort_keys=True), number)
        self._first[number] = first
        self.n_repeated += first != number
        return first

    def first_of(self, number: int) -> int:
        """Name the first trial that has this trial's point."""
        return self._first.get(number, number)

    def keep(self, report: LaneReport) -> None:
        """Have a report at hand for trials with the same point."""
        first = self._first.get(report.lane)
        if first is not None:
            self._reports.setdefault((first, report.sequence), report)

    def find(self, number: int, sequence: int) -> LaneReport | None:
        """Answer a report that a trial with the same point has made."""
        known = self._reports.get((self.first_of(number), sequence))
        return None if known is None or known.lane == number else replace(known, lane=number)
