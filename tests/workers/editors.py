"""Users who edit the space of a job that runs in process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.workers.memory_sink import MemorySink
from tests.workers.races import Nobody
from workers.edits import KIND, describe_edit
from workers.resolved import ResolvedJob


def edit_of(number: int, changed: ResolvedJob, *names: str) -> dict[str, Any]:
    """Give the payload of an edit that takes these parameters from another job."""
    space = {name: changed.space.parameters[name].model_dump(mode="json") for name in names}
    return describe_edit(number, {"space": space}, changed)


class Editor(Nobody):
    """A control through which edits are asked for at the end of rounds, again and again until they are stored."""

    def __init__(self, sink: MemorySink, edits: Mapping[int, dict[str, Any]]) -> None:
        self._sink, self._edits = sink, edits

    def edits(self) -> list[dict[str, Any]]:
        known = [fact.payload["number"] for fact in self._sink._open.journal if fact.kind == KIND]
        reached = self._sink._open.n_rounds
        return [edit for due, edit in self._edits.items() if due <= reached and edit["number"] not in known]
