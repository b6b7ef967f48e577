"""Takes one trial along a schedule of hyperparameters: at given ages it goes on, from where it stands, with others.

Not a plug-in: who races follows from the schedule of the job, which the catalog does not list. Ray Tune's
PopulationBasedTrainingReplay does this too, but from a file that its own PBT has written.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from search.plugins import NEVER, Scheduler, ScheduleRequest

STRETCH = "stretch"
"""What the config of the trial holds: the number of the stretch that it is in."""


class Replay(Scheduler):
    """Changes the parameters of the only trial at the end of every stretch but the last."""

    kind: Literal["replay"] = "replay"
    changes_parameters: ClassVar[bool] = True

    ends: tuple[int, ...] = ()
    """Ages, rising, at which another stretch begins."""

    def rungs(self, epochs: int) -> list[int]:
        return list(self.ends)

    def build(self, request: ScheduleRequest) -> Any:
        from ray.tune.schedulers import FIFOScheduler, TrialScheduler

        ends = self.ends

        class Turns(FIFOScheduler):  # type: ignore[misc]  # Ray Tune has no types
            def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> Any:
                if result["training_iteration"] not in ends:
                    return TrialScheduler.CONTINUE
                # As PBT lets a trial exploit another one, only that it is itself.
                saved = controller._schedule_trial_save(trial, result=result).resolve()
                controller.pause_trial(trial, should_checkpoint=False)
                trial.set_config({**trial.config, STRETCH: ends.index(result["training_iteration"]) + 1})
                trial.run_metadata.checkpoint_manager._latest_checkpoint_result = saved
                return TrialScheduler.NOOP

        return Turns()

    def next_milestone(self, scheduler: Any, trial: Any, epoch: int) -> int:
        return min((end for end in self.ends if end > epoch), default=NEVER)
