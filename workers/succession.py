"""The searches of a job, one after the other, as one search for Tune: an edit of the space begins the next one.

Trials keep their numbers and go on; their results go to the search that proposed them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.tune import Trainable
from ray.tune.experiment import Experiment, Trial
from ray.tune.search import SearchAlgorithm, SearchGenerator

from search.domains import tune_space
from search.space import Domain

Parameters = Mapping[str, Any]


class Lane(Trainable):  # type: ignore[misc]  # Ray Tune has no types
    """The trainable that Tune believes it runs; never instantiated, since lanes have no actor."""


@dataclass(frozen=True)
class Leg:
    """One search: Ray Tune's, the domains that it draws from, how many trials it has. `decode` turns a config that it
    proposed into active parameters. `most_live`: so many trials may be live, whoever proposed them, while it learns."""

    search: Any
    domains: Mapping[str, Domain]
    n_trials: int
    decode: Callable[[Parameters], dict[str, Any]]
    most_live: int | None = None


class Succession(SearchAlgorithm):  # type: ignore[misc]  # Ray Tune has no types
    """Hands every call on to the search that it concerns."""

    def __init__(self, first: Leg) -> None:
        self._leg = first
        self._next: Callable[[], Leg | None] | None = None
        self._path = Path()
        self._proposed: dict[str, tuple[Leg, str]] = {}
        self._live: set[str] = set()
        self._n_legs = 1

    def experiment(self, path: Path) -> Experiment:
        """Make Tune's experiment of the first search, whose files would lie at `path`."""
        self._path = path
        return self._experiment_of(self._leg)

    def begin(self, experiment: Experiment) -> None:
        """Let the first search begin."""
        self._leg.search.add_configurations([experiment])

    def follow_with(self, make: Callable[[], Leg | None]) -> None:
        """Let another search follow as soon as all that happened in the round is known; None leaves it at this one."""
        self._next = make

    def renew(self, unbegun: Callable[[], Sequence[Trial]]) -> None:
        """Let the next search begin, if one is to follow; it proposes anew for trials that nobody has begun with."""
        if self._next is None:
            return
        make, self._next = self._next, None
        leg = make()
        if leg is None:
            return
        self._leg, self._n_legs = leg, self._n_legs + 1
        leg.search.add_configurations([self._experiment_of(leg)])
        for trial in unbegun():
            again = leg.search.next_trial()
            if again is None:
                break
            trial.config, trial.evaluated_params = again.config, again.evaluated_params
            self._proposed[trial.trial_id] = leg, again.trial_id

    def decode(self, trial: Trial) -> dict[str, Any]:
        """Give the active parameters of a trial, in the words of the space that it was proposed from."""
        return self._proposed[trial.trial_id][0].decode(trial.config)

    def next_trial(self) -> Trial | None:
        leg = self._leg
        if self._n_legs > 1 and leg.most_live is not None and len(self._live) >= leg.most_live:
            return None  # what learns waits for the trials of earlier searches too
        trial = leg.search.next_trial()
        if trial is not None:
            self._proposed[trial.trial_id] = leg, trial.trial_id
            self._live.add(trial.trial_id)
        return trial

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        leg, known_as = self._proposed[trial_id]
        leg.search.on_trial_result(known_as, result)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        leg, known_as = self._proposed[trial_id]
        leg.search.on_trial_complete(known_as, result=result, error=error)
        self._live.discard(trial_id)

    def is_finished(self) -> bool:
        return bool(self._leg.search.is_finished())

    def set_finished(self) -> None:
        self._leg.search.set_finished()

    @property
    def metric(self) -> Any:
        return self._leg.search.metric

    def _experiment_of(self, leg: Leg) -> Experiment:
        return light_experiment(leg.search, leg.domains, leg.n_trials, self._path)


class _ParsedOnce:
    """The parser of what Tune says of a trial as a command line: the same for every trial, but for its config, which
    Tune takes from elsewhere."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser
        self._parsed: Any = None

    def parse_known_args(self, words: Sequence[str]) -> Any:
        """Answer as the parser has answered the first time."""
        if self._parsed is None:
            self._parsed = self._parser.parse_known_args(words)
        return self._parsed


def light_experiment(search: Any, domains: Mapping[str, Domain], n_trials: int, path: Path) -> Experiment:
    """Describe a job to Tune, which copies that for every trial: without what has its default, and parsed once.

    A SearchGenerator knows its space; the others draw from the experiment's.
    """
    learns = isinstance(search, SearchGenerator)
    if learns:
        search._parser = _ParsedOnce(search._parser)
    space = {} if learns else tune_space(domains)
    experiment = Experiment("job", Lane, config=space, num_samples=n_trials, storage_path=str(path))
    spec = experiment.spec
    for name in ("stop", "checkpoint_config", "export_formats", "log_to_file"):
        del spec[name]
    for shared in (spec["storage"], *spec["config"].values()):
        shared.__deepcopy__ = lambda memo, shared=shared: shared
    return experiment
