"""What a trial runs, by kind."""

from __future__ import annotations

from workers.trainers.base import Trainer
from workers.trainers.mlp import MlpTrainer
from workers.trainers.neuroevolution import NeuroevolutionTrainer

TRAINERS: dict[str, Trainer] = {trainer.kind: trainer for trainer in [MlpTrainer(), NeuroevolutionTrainer()]}
