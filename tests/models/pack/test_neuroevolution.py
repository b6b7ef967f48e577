"""Populations beside an oracle in plain numpy, one network at a time, and the promises that all lanes keep."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from models.batches import batch_order
from models.capacity import bytes_of_rows
from models.genome import Gene, express, read_genomes, write_genomes
from models.hyper_evolution import NeuroevolutionHyperparameters
from models.lanes import LaneReport, LaneStart, LaneState, PackData
from models.layout import Layout
from models.pack import Pack
from tests.models.pack.jobs import make_data, make_hyper, make_pack, make_settings
from tests.models.pack.test_embeddings import EMBEDDINGS, make_embedded

SEED = 100


def evolving(**more: Any) -> NeuroevolutionHyperparameters:
    small = {"hidden_layers": 2, "units": (9, 17), "activation": "tanh", "population_size": 12, "truncation": 0.25}
    return NeuroevolutionHyperparameters(**{**small, "mutation_strength": 0.1, **more})


def start(pack: Pack, *hypers: Any, seed: int = SEED) -> list[LaneReport]:
    return pack.start([LaneStart(lane, hyper, seed + lane) for lane, hyper in enumerate(hypers)])


# -- the oracle -------------------------------------------------------------------------------------------------------


class Oracle:
    """Such et al. 2017, algorithm 1, by loops over networks. It shares first draws and the order of rows with packs."""

    def __init__(self, data: PackData, hyper: NeuroevolutionHyperparameters, seed: int, job_seed: int) -> None:
        self.data, self.hyper, self.seed, self.job_seed = data, hyper, seed, job_seed
        self.layout = Layout.of(hyper, data.x_train.shape[1], data.n_outputs)
        self.parents: list[list[tuple[int, float]]] = []
        self.generation = 0

    def weights(self, genome: list[tuple[int, float]]) -> np.ndarray:
        flat = self.layout.unpack(self.layout.draw(genome[0][0], self.hyper)).astype(np.float32)
        for seed, strength in genome[1:]:
            noise = np.random.default_rng(seed).standard_normal(len(flat), dtype=np.float32)
            flat = flat + noise * np.float32(strength)
        return flat

    def answer(self, flat: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Outputs before logistic or softmax, in float64."""
        flat, h, place = flat.astype(np.float64), x.astype(np.float64), 0
        widths = self.layout.widths
        shapes = list(pairwise(widths))
        n_layers = sum(i * o + o for i, o in shapes)
        norms = np.split(flat[n_layers:], np.cumsum([2 * width for width in widths[1:-1]])[:-1])
        for depth, (n_in, n_out) in enumerate(shapes):
            weight = flat[place : place + n_in * n_out].reshape(n_in, n_out)
            bias = flat[place + n_in * n_out : place + n_in * n_out + n_out]
            place += n_in * n_out + n_out
            h = h @ weight + bias
            if depth == len(shapes) - 1:
                return 1 / (1 + np.exp(-h)) if self.hyper.output_activation == "logistic" else h
            if self.hyper.normalisation == "layer":
                scale, shift = np.split(norms[depth], 2)
                h = (h - h.mean(1, keepdims=True)) / np.sqrt(h.var(1, keepdims=True) + 1e-5) * scale + shift
            softplus = np.log1p(np.exp(h))
            h = {"tanh": np.tanh(h), "relu": np.maximum(h, 0), "softplus": softplus}[self.hyper.activation]
        raise AssertionError("a network has a last layer")

    def loss(self, z: np.ndarray, y: np.ndarray) -> float:
        if self.data.task == "regression":
            return float(np.mean((z - y) ** 2))
        if self.data.task == "multiclass":
            logs = z - np.log(np.exp(z).sum(1, keepdims=True))
            return -float(np.mean(logs[np.arange(len(y)), y]))
        truth = y.reshape(len(y), -1)
        return -float(np.mean(np.log(1 / (1 + np.exp(np.where(truth > 0, -z, z))))))

    def score(self, z: np.ndarray) -> float:
        """The first metric of each task's list, in raw units, by scikit-learn's definitions."""
        data = self.data
        if data.task == "regression":
            return float(np.mean(((z - data.y_valid) * data.target_scale) ** 2))
        if data.task == "multiclass":
            return float(log_loss(data.y_valid, np.exp(z) / np.exp(z).sum(1, keepdims=True), labels=range(z.shape[1])))
        return self.loss(z, data.y_valid)

    def next_generation(self) -> tuple[float, float]:
        """Breed, score and select; return the fittest network's training loss and validation score."""
        h, draws = self.hyper, np.random.default_rng([self.seed, self.generation])
        if not self.parents:
            genomes = [[(seed, 0.0)] for seed in draws.integers(2**63 - 1, size=h.population_size).tolist()]
        else:
            n_children = h.population_size - h.elites
            n_parents = math.ceil(h.truncation * h.population_size)
            mothers = draws.integers(n_parents, size=n_children).tolist()
            seeds = draws.integers(2**63 - 1, size=n_children).tolist()
            strength = float(np.float32(h.mutation_strength * h.mutation_decay ** (self.generation - 1)))
            genomes = self.parents[: h.elites]
            genomes = genomes + [[*self.parents[m], (s, strength)] for m, s in zip(mothers, seeds, strict=True)]
        n_train = len(self.data.x_train)
        n_rows = h.batch_size or n_train
        rows = batch_order(n_train, self.job_seed, self.generation, n_rows)[:n_rows]
        x, y = self.data.x_train[rows], self.data.y_train[rows]
        losses = [self.loss(self.answer(self.weights(genome), x), y) for genome in genomes]
        order = sorted(range(len(genomes)), key=lambda place: losses[place])
        kept = max(math.ceil(h.truncation * h.population_size), h.elites)
        self.parents = [genomes[place] for place in order[:kept]]
        self.generation += 1
        return losses[order[0]], self.score(self.answer(self.weights(self.parents[0]), self.data.x_valid))


@pytest.mark.parametrize(
    ("task", "n_outputs", "more"),
    [
        ("regression", 2, {"normalisation": "layer", "elites": 5}),
        ("regression", 1, {"output_activation": "logistic"}),
        ("regression", 1, {"batch_size": 30, "mutation_decay": 0.7, "activation": "softplus"}),
        ("binary", 1, {"population_size": 40, "truncation": 0.01, "activation": "relu"}),
        ("multiclass", 3, {"hidden_layers": 0, "elites": 0}),
        ("multilabel", 3, {"hidden_layers": 1, "truncation": 1.0, "initialisation": "zeros"}),
    ],
)
def test_a_population_breeds_and_scores_as_the_oracle_does(task: Any, n_outputs: int, more: dict[str, Any]) -> None:
    data, hyper = make_data(task, n_outputs), evolving(**more)
    pack, oracle = make_pack(data), Oracle(data, hyper, SEED, make_settings(task).seed)
    start(pack, hyper)
    for _ in range(6):
        (report,) = pack.train({0: 1})
        loss, score = oracle.next_generation()
        assert (report.train_loss, report.values[0]) == pytest.approx((loss, score), rel=1e-6)
        genomes = read_genomes(pack.save([0])[0].arrays)
        assert [[tuple(gene) for gene in genome] for genome in genomes] == oracle.parents
    assert report.train_loss < 2


def test_class_weights_count_as_in_every_lane() -> None:
    weights = np.linspace(0.5, 1.5, 75, dtype=np.float32)
    data = replace(make_data("binary"), weights=weights.reshape(-1, 1))
    hyper = evolving(population_size=2, truncation=0.5, class_weight="balanced")
    pack, oracle = make_pack(data), Oracle(data, hyper, SEED, 3)
    start(pack, hyper)
    (report,) = pack.train({0: 1})
    flats = [oracle.weights([tuple(gene) for gene in g]) for g in read_genomes(pack.save([0])[0].arrays)]
    z = oracle.answer(flats[0], data.x_train)[:, 0]
    entropy = np.log1p(np.exp(np.where(data.y_train > 0, -z, z)))
    assert report.train_loss == pytest.approx(np.mean(entropy * weights), rel=1e-6)


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_a_population_learns_embeddings_and_scores_as_a_network_of_its_weights_does(embedding: str) -> None:
    data = replace(make_embedded(), embedding=EMBEDDINGS[embedding])
    hyper = evolving(hidden_layers=1, units=9, frequency_scale=0.5)
    pack = make_pack(data)
    start(pack, hyper)
    reports = pack.train({0: 4})
    layout = Layout.of(hyper, 30, 1, data.embedding)
    fittest = express(read_genomes(pack.save([0])[0].arrays)[:1], layout, hyper)[0]
    network = make_hyper(hidden_layers=1, units=9, activation="tanh", optimizer="sgd", learning_rate=1e-30, dropout=0.0)
    other = make_pack(data)
    other.start([LaneStart(0, network, 1, LaneState(0, 0, {"parameters": fittest}))])
    (told,) = other.train({0: 1})
    assert reports[-1].values[0] == pytest.approx(told.values[0], rel=1e-6)
    first = express([read_genomes(pack.save([0])[0].arrays)[0][:1]], layout, hyper)[0]
    n_embedded = layout.embedding_view(torch.from_numpy(layout.pack(fittest))).numel()
    assert n_embedded > 0
    moved = layout.embedding_view(torch.from_numpy(layout.pack(fittest - first)))
    assert (moved != 0).all(), "all numbers of a network mutate"


# -- genomes ----------------------------------------------------------------------------------------------------------


def test_a_genome_rebuilds_the_exact_weights_of_the_network_that_was_bred() -> None:
    data = make_data()
    own = replace(data, x_valid=data.x_train, y_valid=data.y_train)  # then the fittest network is the best epoch's
    hyper = evolving(units=30, normalisation="layer", mutation_strength=0.03)
    pack = make_pack(own, torch.float32)
    start(pack, hyper)
    pack.train({0: 60})
    genomes = read_genomes(pack.save([0])[0].arrays)
    assert len({len(genome) for genome in genomes}) > 1, "elites do not mutate"
    assert max(map(len, genomes)) > 10
    layout = Layout.of(hyper, 5, 1)
    rebuilt = express(genomes, layout, hyper)
    np.testing.assert_array_equal(rebuilt[0], express(genomes[:1], layout, hyper)[0], "by itself or with its kin")
    expected = layout.layers(layout.pack(rebuilt[0]))
    for found, wanted in zip(pack.best_layers(0) or [], expected, strict=True):
        for part, exact in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(part, exact)


def test_a_state_is_seeds_and_no_weights() -> None:
    pack = make_pack(make_data(), torch.float32)
    start(pack, evolving(units=100, population_size=40))
    pack.train({0: 6})
    state = pack.save([0])[0]
    assert set(state.arrays) == {"genome_lengths", "genome_seeds", "genome_strengths"}
    assert sum(array.nbytes for array in state.arrays.values()) < 1500, "10 genomes of at most 6 genes, 12 bytes each"


def test_genomes_are_read_as_they_were_written() -> None:
    genomes = [(Gene(5),), (Gene(2**63 - 2), Gene(7, 0.25)), (Gene(5), Gene(1, 0.5), Gene(2, 0.125))]
    assert read_genomes(write_genomes(genomes)) == genomes
    assert read_genomes(write_genomes([])) == []


# -- promises of every lane -------------------------------------------------------------------------------------------

MIXED = [
    evolving(),
    evolving(activation="gelu", batch_size=20, elites=3),
    evolving(units=40, normalisation="layer", mutation_decay=0.9),
    evolving(hidden_layers=0, population_size=30),
]


def assert_same_states(one: dict[int, LaneState], other: dict[int, LaneState]) -> None:
    assert one.keys() == other.keys()
    for lane in one:
        assert (one[lane].epoch, one[lane].n_steps) == (other[lane].epoch, other[lane].n_steps)
        for name, array in one[lane].arrays.items():
            np.testing.assert_array_equal(array, other[lane].arrays[name])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.usefixtures("engine")
def test_a_population_ignores_its_neighbours_and_how_calls_cut_its_epochs(dtype: torch.dtype) -> None:
    together = make_pack(make_data(), dtype)
    by_gradients = [make_hyper(), make_hyper(optimizer="sgd", activation="gelu")]
    start(together, *MIXED, *by_gradients)
    pieces = [*together.train({0: 1, 2: 3, 5: 2}), *together.train(dict.fromkeys(range(6), 2)), *together.train({0: 2})]
    pieces += together.train({1: 3, 3: 3, 4: 3, 5: 1})
    for lane, hyper in enumerate([*MIXED, *by_gradients]):
        alone = make_pack(make_data(), dtype)
        alone.start([LaneStart(lane, hyper, SEED + lane)])
        assert alone.train({lane: 5}) == [report for report in pieces if report.lane == lane]
        assert_same_states(alone.save([lane]), together.save([lane]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_saved_population_goes_on_in_another_pack_as_if_nothing_had_happened(dtype: torch.dtype) -> None:
    whole, first, second, third = (make_pack(make_data(), dtype) for _ in range(4))
    start(whole, *MIXED)
    start(first, *MIXED)
    lanes = range(len(MIXED))
    reports = whole.train(dict.fromkeys(lanes, 7))
    found = first.train(dict.fromkeys(lanes, 3))
    second.start(first.leave(lanes))
    found += second.train(dict.fromkeys(lanes, 2))
    states = second.save(lanes)
    third.start([LaneStart(lane, MIXED[lane], SEED + lane, states[lane], 5) for lane in lanes])
    found += third.train(dict.fromkeys(lanes, 2))
    key = lambda report: (report.lane, report.sequence)  # noqa: E731
    assert sorted(found, key=key) == reports
    assert_same_states(whole.save(lanes), third.save(lanes))


def test_a_copied_population_has_the_genomes_but_not_the_random_stream_of_its_source() -> None:
    pack = make_pack(make_data())
    start(pack, MIXED[0], MIXED[0])
    pack.train({0: 4, 1: 2})
    source = pack.save([0])[0]
    stronger = MIXED[0].model_copy(update={"mutation_strength": 0.5})
    pack.start([LaneStart(1, MIXED[0], SEED + 1, source, 2), LaneStart(2, stronger, SEED + 1, source)])
    assert_same_states({0: source}, {0: pack.save([1])[1]})
    before = len(read_genomes(source.arrays))
    pack.train({0: 1, 1: 1, 2: 1})
    kin = [read_genomes(state.arrays) for state in pack.save([0, 1, 2]).values()]
    assert len(kin[0]) == before == 3
    assert kin[0] != kin[1]
    strengths = [{gene.strength for genome in genomes for gene in genome[1:]} for genomes in kin]
    assert strengths[1] <= {float(np.float32(0.1))}
    assert strengths[2] <= {float(np.float32(0.1)), 0.5}


def test_a_restarted_population_keeps_its_best_weights_and_waits_no_longer_than_its_patience() -> None:
    pack = make_pack(make_data(n_train=30), patience=3)
    start(pack, evolving(units=20, mutation_strength=0.3))
    reports = pack.train({0: 300})
    values = [report.values[0] for report in reports]
    assert reports[-1].outcome == "patience"
    assert len(values) == values.index(min(values)) + 1 + 3
    best = pack.best_layers(0)
    assert best is not None
    pack.start([LaneStart(0, evolving(units=20), 1, best_value=1e-9)])
    pack.train({0: 1})
    for before, now in zip(best, pack.best_layers(0) or [], strict=True):
        np.testing.assert_array_equal(before[0], now[0])


def test_a_population_without_one_finite_network_diverges_and_touches_nobody() -> None:
    bursts = evolving(hidden_layers=16, units=64, activation="identity", mutation_strength=100.0, elites=0)
    survives = bursts.model_copy(update={"elites": 1})
    pack = make_pack(make_data(), torch.float32)
    start(pack, MIXED[0], bursts, survives)
    reports = pack.train({0: 3, 1: 3, 2: 3})
    assert [(r.lane, r.outcome) for r in reports if r.outcome] == [(1, "diverged")]
    assert [r.sequence for r in reports if r.lane == 1] == [1, 2]
    alone = make_pack(make_data(), torch.float32)
    start(alone, MIXED[0])
    assert alone.train({0: 3}) == [report for report in reports if report.lane == 0]


def test_a_population_cannot_go_on_from_weights_nor_a_network_from_genomes() -> None:
    pack = make_pack(make_data())
    start(pack, evolving(), make_hyper())
    states = pack.save([0, 1])
    reports = pack.start([LaneStart(2, evolving(), 1, states[1]), LaneStart(3, make_hyper(), 1, states[0])])
    assert [report.outcome for report in reports] == ["failed", "failed"]
    assert "holds no genomes" in str(reports[0].error)


def test_somebody_else_may_decide_the_best_generation_of_a_population() -> None:
    pack = Pack(make_data(), replace(make_settings(), decides_best=False))
    start(pack, MIXED[0])
    pack.train({0: 3})
    assert pack.best_layers(0) is None
    pack.keep_best([0])
    third = pack.best_layers(0)
    pack.train({0: 2})
    layout = Layout.of(MIXED[0], 5, 1)
    again = Pack(make_data(), make_settings())
    start(again, MIXED[0])
    again.train({0: 3})
    fittest = express(read_genomes(again.save([0])[0].arrays)[:1], layout, MIXED[0])[0]
    for found, kept, wanted in zip(
        pack.best_layers(0) or [], third or [], layout.layers(layout.pack(fittest)), strict=True
    ):
        np.testing.assert_array_equal(found[0], kept[0])
        np.testing.assert_array_equal(found[0], wanted[0])


def test_rows_of_a_population_are_counted_in_its_own_batches() -> None:
    shape = make_data().shape(evolving(), 0)
    whole = bytes_of_rows(evolving(), shape, 4)
    assert whole >= bytes_of_rows(evolving(batch_size=10), shape, 4) > 0
    assert whole >= bytes_of_rows(make_hyper(batch_size=shape.n_train), shape, 4)


def test_a_population_that_does_not_fit_into_memory_fails_by_itself() -> None:
    pack = make_pack(make_data())
    huge = evolving(hidden_layers=8, units=16_384, population_size=10_000)
    reports = start(pack, huge, MIXED[0])
    assert [(report.lane, report.error and report.error.out_of_memory) for report in reports] == [(0, True)]
    assert [report.lane for report in pack.train({1: 1})] == [1]


def test_all_but_elites_may_not_be_elites() -> None:
    with pytest.raises(ValueError, match="12 elites leave no room for children in a population of 12"):
        evolving(elites=12)
