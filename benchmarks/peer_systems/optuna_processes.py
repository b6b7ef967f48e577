"""Optuna as an expert tunes it: a process per core on one journal file in memory, torch's fused Adam."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import optuna
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from benchmarks.peer_systems import plain_loop
from benchmarks.peer_systems.optuna_study import FIRST_POINT, ListSampler, read_trials, suggest
from benchmarks.peer_systems.plain_loop import Tensors
from benchmarks.peer_systems.task import Point, Searched, System, load_rows

STUDY = "digits"
START_SECONDS = 120.0
MEMORY = Path("/dev/shm")  # a journal writes ten lines per trial, each through to the disk


class OptunaProcesses(System):
    """The way its documentation names for several processes on one machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = MEMORY if MEMORY.is_dir() else folder
        self._n_processes = os.cpu_count() or 1
        self.setup = f"{self._n_processes} processes on a journal file, one torch thread each, Adam with fused=True"

    def search(self, points: list[Point], seed: int) -> Searched:
        with tempfile.TemporaryDirectory(prefix="regatta-peer-", dir=self._folder) as folder:
            return self._search(f"{folder}/journal", points, seed)

    def _search(self, path: str, points: list[Point], seed: int) -> Searched:
        context = multiprocessing.get_context("spawn")
        ready = context.Barrier(self._n_processes + 1)
        shares = [len(points[first :: self._n_processes]) for first in range(self._n_processes)]
        begun = time.perf_counter()
        study = optuna.create_study(storage=_storage(path), study_name=STUDY)
        processes = [context.Process(target=_optimize, args=(ready, path, points, seed, share)) for share in shares]
        for process in processes:
            process.start()
        ready.wait(START_SECONDS)
        start_seconds = time.perf_counter() - begun
        for process in processes:
            process.join()
        seconds = time.perf_counter() - begun
        if any(process.exitcode for process in processes):
            raise RuntimeError("a process of the study failed")
        return Searched(seconds, *read_trials(study), start_seconds=start_seconds)


def _storage(path: str) -> JournalStorage:
    return JournalStorage(JournalFileBackend(path))


def _optimize(ready: Barrier, path: str, points: list[Point], seed: int, n_trials: int) -> None:
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    data = Tensors.of(load_rows())
    plain_loop.train_to_the_end(FIRST_POINT, data, 0, fused=True)  # torch imports much at its first step
    study = optuna.load_study(storage=_storage(path), study_name=STUDY, sampler=ListSampler(points))
    ready.wait(START_SECONDS)

    def objective(trial: optuna.Trial) -> float:
        found = plain_loop.train_to_the_end(suggest(trial), data, seed + trial.number, fused=True)
        trial.set_user_attr("accuracy", found.accuracy)
        return found.log_loss

    study.optimize(objective, n_trials=n_trials)
