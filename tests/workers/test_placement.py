"""Placement: work spread evenly and kept so, launches shared where lanes are stacked, the same answer every time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import models.engines
import models.pack
from models.bench import Bench
from models.embedding import Embedding
from models.group import Group
from models.hyper import Hyperparameters
from models.hyper_evolution import NeuroevolutionHyperparameters
from models.lanes import LaneStart, PackSettings, ViewShape
from models.live_lane import GradientLane
from models.numeric import numeric_class
from tests.models.data.test_package import make_prepared
from workers.costs import ONE_BY_ONE, STACKED, WITH_KERNELS, WITHOUT_KERNELS, LaneLoad, Tariff, tariff_for
from workers.placement import Paces, even_out, place

SEATS = ["seat-0", "seat-1", "seat-2"]
EVEN = dict.fromkeys([*SEATS, "seat-3"], 1.0)
SHAPE = ViewShape(n_train=1000, n_valid=200, n_inputs=20, n_outputs=3)
TABLE = Embedding(20, ((0, 5, 2),))
NARROW = Hyperparameters(units=16, hidden_layers=2, batch_size=32)
WIDE = Hyperparameters(units=1024, hidden_layers=3, batch_size=32)

hypers = st.builds(
    Hyperparameters,
    hidden_layers=st.integers(0, 3),
    units=st.sampled_from([8, 64, 100, 256]),
    batch_size=st.sampled_from([16, 64, 100]),
)
both_ways = pytest.mark.parametrize("tariff", [WITH_KERNELS, WITHOUT_KERNELS], ids=["one by one", "stacked"])


def load(hyper: Hyperparameters, tariff: Tariff = WITH_KERNELS) -> LaneLoad:
    return LaneLoad.of(hyper, SHAPE, tariff)


def put(
    fresh: Mapping[int, LaneLoad], n_seats: int = 2, standing: list[tuple[LaneLoad, str]] | None = None
) -> dict[int, str]:
    return place(fresh, standing or [], SEATS[:n_seats], EVEN)


def seconds_by_seat(loads: Mapping[int, LaneLoad], chosen: Mapping[int, str], seats: list[str]) -> list[float]:
    return [sum(loads[lane].seconds for lane, home in chosen.items() if home == seat) for seat in seats]


class TestCosts:
    def test_small_batches_wide_layers_and_many_layers_cost_more(self) -> None:
        def seconds(**changes: int) -> float:
            return load(NARROW.model_copy(update=changes)).seconds

        assert seconds(batch_size=16) > seconds(batch_size=32) > seconds(batch_size=128)
        assert seconds(units=64) > seconds(units=32)
        assert seconds(hidden_layers=3) > seconds(hidden_layers=1)

    def test_normalised_lanes_cost_more_and_stand_in_packs_of_their_own(self) -> None:
        plain, batch, layer = (
            load(WIDE.model_copy(update={"normalisation": kind}), WITHOUT_KERNELS)
            for kind in ("none", "batch", "layer")
        )
        assert batch.seconds > plain.seconds
        assert len({plain.pack_key, batch.pack_key, layer.pack_key}) == 3

    def test_widths_that_are_padded_alike_cost_the_same_and_share_launches(self) -> None:
        loads = {load(Hyperparameters(units=units), WITHOUT_KERNELS) for units in (49, 60, 64)}
        assert len(loads) == 1
        assert load(Hyperparameters(units=65), WITHOUT_KERNELS).pack_key != loads.pop().pack_key

    def test_twice_the_rows_are_twice_the_work_but_for_what_an_epoch_costs(self) -> None:
        twice = ViewShape(2000, 400, 20, 3)
        more, less = (LaneLoad.of(WIDE, shape, WITH_KERNELS).seconds - ONE_BY_ONE.epoch for shape in (twice, SHAPE))
        assert more / less == pytest.approx(2, rel=0.05)

    @pytest.mark.parametrize(
        "wishes",
        [
            {},
            {"categorical_encoding": "embedding"},
            {"numeric_embedding": "periodic"},
            {"activation": "mish", "optimizer": "nadam", "normalisation": "batch"},
        ],
        ids=str,
    )
    def test_a_lane_pays_launches_where_its_pack_stacks_it(
        self, wishes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stacked: list[GradientLane] = []

        class NotedGroup(Group):
            def __init__(self, lanes: Sequence[GradientLane], bench: Bench) -> None:
                stacked.extend(lanes)
                super().__init__(lanes, bench)

        monkeypatch.setattr(models.engines, "Group", NotedGroup)
        data, hyper = make_prepared().job_data, Hyperparameters(units=8, **wishes)
        pack = models.pack.Pack(data, PackSettings(0, ("r2",), True))
        pack.start([LaneStart(0, hyper, 0)])
        assert pack.train({0: 1})[0].error is None
        found = LaneLoad.of(hyper, data.shape(hyper, 0), tariff_for(numeric_class()))
        assert bool(found.launches) == bool(stacked)

    def test_what_has_no_kernel_costs_what_stacked_lanes_cost(self) -> None:
        new, embedded = NARROW.model_copy(update={"activation": "new"}), SHAPE._replace(embedding=TABLE)
        assert load(NARROW).launches == 0
        assert load(new).launches > 0
        assert load(new).seconds > load(NARROW).seconds
        assert LaneLoad.of(NARROW, embedded, WITH_KERNELS).launches == load(new).launches

    def test_a_population_pays_for_all_its_networks_and_shares_nothing(self) -> None:
        def cost(n_networks: int, tariff: Tariff, **more: int) -> LaneLoad:
            return LaneLoad.of(NeuroevolutionHyperparameters(population_size=n_networks, **more), SHAPE, tariff)

        for tariff in (WITH_KERNELS, WITHOUT_KERNELS):
            many, few = cost(1000, tariff), cost(100, tariff)
            assert many.seconds > few.seconds > cost(100, tariff, batch_size=64).seconds > 0
            assert many.launches == few.launches == 0
            assert many.fare == few.fare
        served = [cost(100, tariff).seconds for tariff in (WITH_KERNELS, WITH_KERNELS._replace(served=STACKED))]
        assert served[0] == served[1], "no kernel scores a population"


class TestPlace:
    @both_ways
    def test_heavy_lanes_are_spread_evenly(self, tariff: Tariff) -> None:
        assert Counter(put(dict.fromkeys(range(9), load(WIDE, tariff)), 3).values()) == dict.fromkeys(SEATS, 3)

    def test_one_heavy_lane_weighs_as_much_as_many_light_ones(self) -> None:
        chosen = put({0: load(WIDE), **dict.fromkeys(range(1, 30), load(NARROW))})
        assert [lane for lane, seat in chosen.items() if seat == chosen[0]] == [0]

    def test_stacked_lanes_of_one_pack_key_stay_together_while_launches_outweigh_them(self) -> None:
        narrow, other = (load(NARROW.model_copy(update={"batch_size": size}), WITHOUT_KERNELS) for size in (32, 8))
        chosen = put({0: narrow, 1: other, 2: narrow, 3: other, 4: narrow, 5: other})
        assert len({chosen[0], chosen[2], chosen[4]}) == len({chosen[1], chosen[3], chosen[5]}) == 1
        assert chosen[0] != chosen[1]

    def test_lanes_that_train_one_by_one_have_no_reason_to_stay_together(self) -> None:
        assert Counter(put(dict.fromkeys(range(4), load(NARROW))).values()) == dict.fromkeys(SEATS[:2], 2)

    def test_a_fresh_stacked_lane_goes_where_its_pack_key_stands_already(self) -> None:
        small_batch = load(NARROW.model_copy(update={"batch_size": 8}), WITHOUT_KERNELS)
        standing = [(load(NARROW, WITHOUT_KERNELS), "seat-1"), (small_batch, "seat-0")]
        assert put({7: load(NARROW, WITHOUT_KERNELS)}, 2, standing) == {7: "seat-1"}

    def test_lanes_of_kernels_have_no_launches_to_share_with_stacked_lanes_of_their_shape(self) -> None:
        new = load(NARROW.model_copy(update={"activation": "new"}))
        assert put({7: new}, 2, [(load(NARROW), "seat-0")]) == {7: "seat-1"}

    def test_a_busy_seat_gets_nothing_while_another_is_idle(self) -> None:
        assert put({7: load(WIDE)}, 2, [(load(WIDE), "seat-0")] * 4) == {7: "seat-1"}

    def test_a_slow_seat_gets_less(self) -> None:
        chosen = place(dict.fromkeys(range(30), load(WIDE)), [], SEATS[:2], {"seat-0": 2.0, "seat-1": 1.0})
        assert Counter(chosen.values()) == {"seat-0": 10, "seat-1": 20}

    @pytest.mark.parametrize("n_seats", [1, 2, 3])
    def test_a_seat_that_is_gone_counts_for_nothing(self, n_seats: int) -> None:
        chosen = put({1: load(WIDE), 2: load(WIDE)}, n_seats, [(load(WIDE), "gone")])
        assert set(chosen.values()) <= set(SEATS[:n_seats])

    @both_ways
    @given(drawn=st.lists(hypers, min_size=1, max_size=40), shuffled=st.randoms())
    def test_every_lane_gets_a_seat_whatever_the_order_it_is_named_in(
        self, tariff: Tariff, drawn: list[Hyperparameters], shuffled: random.Random
    ) -> None:
        loads = {lane: load(hyper, tariff) for lane, hyper in enumerate(drawn)}
        items = list(loads.items())
        shuffled.shuffle(items)
        chosen = put(loads, 3)
        assert chosen == put(dict(items), 3)
        assert set(chosen) == set(loads)

    @settings(max_examples=20, deadline=None)
    @given(kinds=st.lists(hypers, min_size=2, max_size=6), n_seats=st.integers(2, 3))
    def test_many_lanes_fill_all_seats_to_within_a_few_percent(
        self, kinds: list[Hyperparameters], n_seats: int
    ) -> None:
        loads = {lane: load(hyper) for lane, hyper in enumerate(kinds * 31)}  # none is a tenth of a seat's share
        work = seconds_by_seat(loads, put(loads, n_seats), SEATS[:n_seats])
        assert max(work) < 1.06 * sum(work) / n_seats

    @given(drawn=st.lists(hypers, min_size=1, max_size=20))
    def test_few_lanes_make_no_seat_longer_than_its_share_and_one_lane(self, drawn: list[Hyperparameters]) -> None:
        loads = {lane: load(hyper) for lane, hyper in enumerate(drawn)}
        work = seconds_by_seat(loads, put(loads, 3), SEATS)
        assert max(work) <= sum(work) / 3 + max(one.seconds for one in loads.values())


def test_seats_stay_balanced_while_trials_end_and_others_come() -> None:
    draws, seats = random.Random(1), list(EVEN)
    loads: dict[int, LaneLoad] = {}
    home: dict[int, str] = {}
    excess = []
    for lane in range(1000):
        drawn = Hyperparameters(units=draws.choice([32, 64, 128]), hidden_layers=draws.randint(1, 3))
        loads[lane] = load(drawn.model_copy(update={"batch_size": draws.choice([32, 64, 128])}))
        standing = [(loads[other], seat) for other, seat in home.items()]
        home |= place({lane: loads[lane]}, standing, seats, EVEN)
        if len(home) >= 64:
            work = seconds_by_seat(loads, home, seats)
            excess.append(max(work) / (sum(work) / 4) - 1)
            del home[draws.choice(list(home))]
    assert sum(excess) / len(excess) < 0.08


lanes_at_work = st.lists(st.floats(0.001, 10.0), min_size=1, max_size=40)


class TestEvenOut:
    @given(work=lanes_at_work, homes=st.randoms(), slow=st.floats(0.5, 3.0))
    def test_moves_make_the_round_shorter_by_more_than_they_cost(
        self, work: list[float], homes: random.Random, slow: float
    ) -> None:
        seconds = dict(enumerate(work))
        home = {lane: homes.choice(SEATS) for lane in seconds}
        pace, fares = {**dict.fromkeys(SEATS, 1.0), "seat-0": slow}, dict.fromkeys(seconds, 0.01)
        moves = even_out(seconds, fares, home, pace)

        def longest(at: Mapping[int, str]) -> float:
            return max(pace[seat] * sum(seconds[lane] for lane in at if at[lane] == seat) for seat in SEATS)

        if moves:
            assert longest(home | moves) < 0.9 * longest(home) - 0.01 * len(moves)
        assert all(home[lane] != seat for lane, seat in moves.items())

    def test_a_lane_that_would_come_back_does_not_move(self) -> None:
        work, home = [2.0, 4.0, 3.0], random.Random(0)
        for _ in range(100):
            at = {lane: home.choice(SEATS) for lane in range(3)}
            pace = {**dict.fromkeys(SEATS, 1.0), "seat-0": 3.0}
            moves = even_out(dict(enumerate(work)), dict.fromkeys(range(3), 0.01), at, pace)
            assert all(at[lane] != seat for lane, seat in moves.items())

    def test_lanes_that_are_left_on_one_seat_are_spread(self) -> None:
        seconds = dict.fromkeys(range(30), 1.0)
        moves = even_out(
            seconds, dict.fromkeys(seconds, 0.01), dict.fromkeys(seconds, "seat-0"), dict.fromkeys(SEATS, 1.0)
        )
        assert Counter(moves.values()) == {"seat-1": 10, "seat-2": 10}

    def test_lanes_that_name_no_fare_stay_and_weigh(self) -> None:
        seconds, home = dict.fromkeys(range(30), 1.0), {lane: SEATS[lane >= 20] for lane in range(30)}
        moves = even_out(seconds, dict.fromkeys(range(17, 30), 0.01), home, dict.fromkeys(SEATS[:2], 1.0))
        assert moves == dict.fromkeys(range(17, 20), "seat-1")

    def test_a_slow_seat_gives_lanes_away(self) -> None:
        seconds = dict.fromkeys(range(30), 1.0)
        home = {lane: SEATS[lane % 2] for lane in seconds}
        moves = even_out(seconds, dict.fromkeys(seconds, 0.01), home, {"seat-0": 2.0, "seat-1": 1.0})
        assert Counter(moves.values()) == {"seat-1": 5}

    @pytest.mark.parametrize(("seconds", "fare"), [(0.001, 0.0), (1.0, 1.0)], ids=["short round", "dear fare"])
    def test_what_does_not_pay_is_left_alone(self, seconds: float, fare: float) -> None:
        lanes = range(4)
        work, fares = dict.fromkeys(lanes, seconds), dict.fromkeys(lanes, fare)
        assert even_out(work, fares, dict.fromkeys(lanes, "seat-0"), {"seat-0": 1.0, "seat-1": 1.0}) == {}


class TestPaces:
    def test_seats_that_nobody_has_seen_at_work_are_equal(self) -> None:
        assert Paces().of(SEATS) == dict.fromkeys(SEATS, 1.0)

    def test_a_slow_moment_says_little_and_slow_minutes_say_all(self) -> None:
        paces = Paces()
        for seat, seconds in (("seat-0", 0.3), ("seat-1", 0.1)):
            paces.add(seat, seconds, modelled=0.1)
        moment = paces.of(SEATS[:2])
        assert 1 < moment["seat-0"] / moment["seat-1"] < 1.2
        for _ in range(100):
            paces.add("seat-0", 3.0, modelled=1.0)
            paces.add("seat-1", 1.0, modelled=1.0)
        minutes = paces.of(SEATS[:2])
        assert minutes["seat-0"] / minutes["seat-1"] == pytest.approx(3, rel=0.2)

    def test_a_seat_that_has_recovered_is_believed(self) -> None:
        paces = Paces()
        for n_rounds, slowness in ((100, 3.0), (100, 1.0)):
            for _ in range(n_rounds):
                paces.add("seat-0", slowness, modelled=1.0)
                paces.add("seat-1", 1.0, modelled=1.0)
        assert paces.of(SEATS)["seat-0"] == pytest.approx(1, rel=0.2)
