"""Neuroevolution: one lane is a population of networks, all scored in one stacked computation. No gradients.

A generation is an epoch of the lane. Source: Such et al. 2017, Deep Neuroevolution, algorithm 1: mutation only,
truncation selection, elites. The fittest network, by its loss on training rows, is what the lane shows of itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.batches import rows_at_once
from models.bench import Bench
from models.genome import Gene, Genome, Weights, draw_first, express, mutate, read_genomes, write_genomes
from models.hyper_evolution import NeuroevolutionHyperparameters
from models.lanes import LaneStart, LaneState
from models.layout import Layout
from models.lineup import live_units
from models.live_lane import BEST, PARAMETERS, Lane
from models.losses import RunLoss
from models.mlp import PackedMLP, Run
from models.ops import OPS
from models.packed_norms import NormRows


@dataclass(eq=False)
class Population(Lane):
    """The parents of the next generation, best first; its row of parameters is that of the first one.

    Shapes: weights [parents, parameters], unpadded.
    """

    hyper: NeuroevolutionHyperparameters
    genomes: list[Genome] = field(default_factory=list)
    weights: Weights = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def save(self) -> LaneState:
        """Give the genomes: weights are rebuilt from them."""
        return LaneState(self.epoch, self.n_steps, write_genomes(self.genomes))

    def settle(self) -> None:
        """Nothing is shared, so nothing has to move."""
        self.group = None

    def spread(self, weights: Weights) -> Tensor:
        """Put unpadded weights into padded rows on the lane's device.

        Shapes: [K, parameters] -> [K, size].
        """
        rows = np.zeros((len(weights), self.layout.size), np.float32)
        rows[:, self.layout.unpack(np.arange(self.layout.size))] = weights
        return torch.from_numpy(rows).to(self.rows[PARAMETERS])


def admit_population(
    start: LaneStart, hyper: NeuroevolutionHyperparameters, layout: Layout, like: Tensor
) -> Population:
    """Build a population with the genomes of a state, or one that has yet to draw its first; `hyper` are the start's.

    Raises: ValueError if the state holds no genomes.
    """
    lane = Population(start.lane, hyper, start.seed, layout, start.sequence)
    lane.remember(start)
    lane.rows = {name: like.new_zeros(layout.size) for name in (PARAMETERS, BEST)}
    if start.state is not None:
        lane.epoch, lane.n_steps = start.state.epoch, start.state.n_steps
        lane.genomes = read_genomes(start.state.arrays)
        lane.weights = express(lane.genomes, layout, hyper)
        if lane.genomes:
            lane.rows[PARAMETERS] = lane.spread(lane.weights[:1])[0]
    return lane


class Litter(NamedTuple):
    """The networks of a generation, and how each came about: its parent's place, or none, and the gene that it adds.

    Elites have a parent and add nothing. Shapes: weights [population, parameters].
    """

    weights: Weights
    origins: list[tuple[int | None, Gene | None]]


def breed(lane: Population) -> Litter:
    """Draw or breed the next generation, by the lane's seed and age.

    A generator numpy.random.default_rng([seed, age]) draws the parent of each child, all being equally likely, then
    the seed of each child's mutation; the first generation draws the seeds of its initialisations.
    """
    draws = np.random.default_rng([lane.seed & (2**63 - 1), lane.epoch])
    if not lane.genomes:
        seeds = draws.integers(2**63 - 1, size=lane.hyper.population_size).tolist()
        weights = np.stack([draw_first(seed, lane.layout, lane.hyper) for seed in seeds])
        return Litter(weights, [(None, Gene(seed)) for seed in seeds])
    n_elites = min(lane.hyper.elites, len(lane.genomes))
    n_children = lane.hyper.population_size - n_elites
    parents = draws.integers(min(lane.hyper.n_parents, len(lane.genomes)), size=n_children).tolist()
    seeds = draws.integers(2**63 - 1, size=n_children).tolist()
    strength = float(np.float32(lane.hyper.strength(lane.epoch)))
    genes = [Gene(seed, strength) for seed in seeds]
    children = [mutate(lane.weights[parent], gene) for parent, gene in zip(parents, genes, strict=True)]
    weights = np.concatenate([lane.weights[:n_elites], np.stack(children)])
    return Litter(weights, [*((place, None) for place in range(n_elites)), *zip(parents, genes, strict=True)])


class Generation:
    """Trains one population: its networks are the lanes of this computation."""

    def __init__(self, lane: Population, bench: Bench) -> None:
        self.lanes, self.bench = [lane], bench
        self.batch_size = bench.rows.n_train  # an epoch is one step
        lane.group = self

    def run_epoch(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Breed and score a generation; after an exception the population is what it was before.

        Shapes: training loss of the fittest network [1], its validation metrics [1, metrics].
        """
        (lane,) = self.lanes
        litter = breed(lane)
        losses = self._losses(lane.spread(litter.weights))
        order = np.argsort(np.where(np.isfinite(losses), losses, np.inf), kind="stable")
        n_kept = min(max(lane.hyper.n_parents, lane.hyper.elites), max(1, np.isfinite(losses).sum()))
        kept = order[:n_kept].tolist()
        weights = litter.weights[kept]
        row = lane.spread(weights[:1])
        scores = self._score(row)
        lane.genomes = [_genome(lane.genomes, litter.origins[place]) for place in kept]
        lane.weights, lane.rows[PARAMETERS] = weights, row[0]
        return losses[kept[:1]], scores

    def _losses(self, parameters: Tensor) -> NDArray[np.float64]:
        """Give the mean training loss of every network. Shapes: [K, size] -> [K]."""
        (lane,), rows = self.lanes, self.bench.rows
        n_rows = lane.hyper.n_scored(rows.n_train)
        size = rows_at_once(len(parameters), n_rows)
        network = self._network(parameters, size)
        loss = RunLoss([lane.hyper] * len(parameters), rows.task, network.out[-1], rows.n_outputs)
        loss.begin_epoch()
        batches = rows.sample(lane.epoch, n_rows, size)
        for x, target, weight, share in zip(batches.x, batches.target, batches.weight, batches.shares, strict=True):
            network.infer(x)
            loss.lose(target, weight, share)
        return loss.epoch_loss().cpu().numpy()

    def _network(self, parameters: Tensor, n_rows: int) -> PackedMLP:
        (lane,) = self.lanes
        op, live = OPS[lane.hyper.activation], live_units(self.lanes, parameters)
        run = Run(slice(0, len(parameters)), op, None, () if op.keeps_zero else live)
        return PackedMLP(NormRows(lane.layout, parameters, None, live), [run], n_rows)

    def _score(self, row: Tensor) -> NDArray[np.float64]:
        x = self.bench.rows.x_valid
        answers = row.new_zeros((1, x.shape[0] * x.shape[1], self.lanes[0].layout.padded[-1]))
        self._network(row, x.shape[1]).answer(x, self.lanes[0].hyper.output_activation, answers)
        return self.bench.judge.score(answers)

    def keep_best(self, lanes: Sequence[Lane]) -> None:
        """Remember the fittest network of this generation as the best."""
        for lane in lanes:
            lane.keep_best()

    def dissolve(self) -> None:
        """Nothing is shared, so nothing has to move."""
        for lane in self.lanes:
            lane.settle()


def _genome(parents: Sequence[Genome], origin: tuple[int | None, Gene | None]) -> Genome:
    parent, gene = origin
    inherited = () if parent is None else parents[parent]
    return inherited if gene is None else (*inherited, gene)
