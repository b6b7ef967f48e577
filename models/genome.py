"""Networks as the seeds that made them: a genome rebuilds its weights exactly, on every machine. No scores.

Source: Such et al. 2017, Deep Neuroevolution, section 3.1 (compact encoding). All arithmetic is in float32 on the CPU,
one addition for each mutation, so that the weights of a child are the same bits whether it was just bred from its
parent or rebuilt from its first ancestor on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.hyper import LaneHyperparameters
from models.layout import Layout

Weights = NDArray[np.float32]
LENGTHS, SEEDS, STRENGTHS = "genome_lengths", "genome_seeds", "genome_strengths"


class Gene(NamedTuple):
    """The seed of a mutation and its strength; the first gene of a genome is the seed of an initialisation."""

    seed: int
    strength: float = 0.0


Genome = tuple[Gene, ...]


def draw_first(seed: int, layout: Layout, hyper: LaneHyperparameters) -> Weights:
    """Draw fresh weights, as those of any lane with this seed.

    Shapes: [parameters], unpadded.
    """
    return layout.unpack(layout.draw(seed, hyper)).astype(np.float32)


def mutate(weights: Weights, gene: Gene) -> Weights:
    """Add the normal numbers of a gene, times its strength, to every weight."""
    noise = np.random.default_rng(gene.seed).standard_normal(len(weights), dtype=np.float32)
    noise *= np.float32(gene.strength)
    noise += weights
    return noise


def express(genomes: Sequence[Genome], layout: Layout, hyper: LaneHyperparameters) -> Weights:
    """Rebuild the weights of genomes; ancestors that they share are rebuilt once.

    Shapes: [genomes, parameters].
    """
    weights = np.empty((len(genomes), layout.n_parameters), np.float32)
    kin: list[tuple[Weights, list[int]]] = [(weights[:0], list(range(len(genomes))))]
    for depth in range(max(map(len, genomes), default=0)):
        branches: list[tuple[Weights, list[int]]] = []
        for before, places in kin:
            by_gene: dict[Gene, list[int]] = {}
            for place in places:
                if len(genomes[place]) > depth:
                    by_gene.setdefault(genomes[place][depth], []).append(place)
            for gene, same in by_gene.items():
                grown = mutate(before, gene) if depth else draw_first(gene.seed, layout, hyper)
                branches.append((grown, same))
                weights[[place for place in same if len(genomes[place]) == depth + 1]] = grown
        kin = branches
    return weights


def write_genomes(genomes: Sequence[Genome]) -> dict[str, NDArray[Any]]:
    """Lay genomes out as flat arrays, one after another."""
    genes = [gene for genome in genomes for gene in genome]
    return {
        LENGTHS: np.array([len(genome) for genome in genomes], np.int64),
        SEEDS: np.array([gene.seed for gene in genes], np.int64),
        STRENGTHS: np.array([gene.strength for gene in genes], np.float32),
    }


def read_genomes(arrays: Mapping[str, NDArray[Any]]) -> list[Genome]:
    """Read what `write_genomes` wrote.

    Raises: ValueError for the state of a lane that was trained in another way.
    """
    if LENGTHS not in arrays:
        raise ValueError(f"a state with {', '.join(arrays)} holds no genomes")
    genes = [Gene(*gene) for gene in zip(arrays[SEEDS].tolist(), arrays[STRENGTHS].tolist(), strict=True)]
    ends = [0, *np.cumsum(arrays[LENGTHS]).tolist()]
    return [tuple(genes[first:last]) for first, last in pairwise(ends)]
