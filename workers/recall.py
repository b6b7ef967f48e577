"""Reports that are there already, so that nothing is trained for them: those of the record, and of repeated points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.lanes import LaneReport
from workers.errors import ReplayMismatch
from workers.lives import Lives
from workers.repeats import Repeats
from workers.sink import Record


@dataclass(frozen=True)
class Recall:
    """Answers a round, or a trial's part of it, from what is at hand. The fleet then lacks the trial's state."""

    lives: Lives
    record: Record
    repeats: Repeats

    def answer(self, number: int, n_epochs: int) -> list[LaneReport] | None:
        """Answer a trial's next reports, if all are at hand: from the record (an extended job has some from beyond its
        last whole round) or from a trial with the same point."""
        life, known = self.lives.by_number[number], []
        for sequence in range(life.sequence + 1, life.sequence + n_epochs + 1):
            report = self.record.reports.get((number, sequence)) or self.repeats.find(number, sequence)
            if report is None:
                return None
            known.append(report)
            if report.outcome:
                break
        life.resident_since = None
        return known

    def replay(self, round_number: int, epochs: Mapping[int, int]) -> list[LaneReport]:
        """Answer a recorded round.

        Raises: ReplayMismatch, when the record lacks one of these reports.
        """
        reports = []
        for number, n_epochs in sorted(epochs.items()):
            known = self.answer(number, n_epochs)
            if known is None:
                begun = self.lives.by_number[number].sequence
                wanted = range(begun + 1, begun + n_epochs + 1)
                missing = next(sequence for sequence in wanted if (number, sequence) not in self.record.reports)
                raise ReplayMismatch(f"round {round_number}: no record of trial {number}, report {missing}")
            reports += known
        return reports

    def told(self, round_number: int, epochs: Mapping[int, int]) -> dict[int, int]:
        """Name the trial that somebody told of in a recorded round.

        Raises: ReplayMismatch, when it does not train in the replay.
        """
        number = self.record.told.get(round_number)
        if number is None:
            return {}
        if number not in epochs:
            raise ReplayMismatch(f"round {round_number}: trial {number} was told of, and does not train in the replay")
        return {number: 1}
