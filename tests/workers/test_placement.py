"""Placement: work spread evenly, lanes that can share launches kept together, the same answer every time."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.hyper import Hyperparameters
from workers.placement import LaneLoad, place

SEATS = ["seat-0", "seat-1", "seat-2"]
NARROW = LaneLoad.of(Hyperparameters(units=16, hidden_layers=2, batch_size=32))
WIDE = LaneLoad.of(Hyperparameters(units=1024, hidden_layers=3, batch_size=32))

hypers = st.builds(
    Hyperparameters,
    hidden_layers=st.integers(0, 3),
    units=st.sampled_from([8, 64, 100, 512]),
    batch_size=st.sampled_from([16, 64]),
)


def work_by_seat(loads: dict[int, LaneLoad], chosen: dict[int, str]) -> list[float]:
    return [sum(loads[lane].work for lane, home in chosen.items() if home == seat) for seat in SEATS]


def test_heavy_lanes_are_spread_evenly() -> None:
    loads = dict.fromkeys(range(9), WIDE)
    assert Counter(place(loads, [], SEATS).values()) == dict.fromkeys(SEATS, 3)


def test_one_heavy_lane_weighs_as_much_as_many_light_ones() -> None:
    loads = {0: WIDE, **dict.fromkeys(range(1, 30), NARROW)}
    chosen = place(loads, [], SEATS[:2])
    assert [lane for lane, seat in chosen.items() if seat == chosen[0]] == [0]


def test_a_few_light_lanes_of_one_pack_key_stay_together() -> None:
    small_batch = LaneLoad.of(Hyperparameters(units=16, hidden_layers=2, batch_size=8))
    loads = {0: NARROW, 1: small_batch, 2: NARROW, 3: small_batch, 4: NARROW, 5: small_batch}
    chosen = place(loads, [], SEATS[:2])
    assert len({chosen[0], chosen[2], chosen[4]}) == 1
    assert len({chosen[1], chosen[3], chosen[5]}) == 1
    assert chosen[0] != chosen[1]


def test_a_fresh_lane_goes_where_its_pack_key_stands_already() -> None:
    standing = [(NARROW, "seat-1"), (LaneLoad.of(Hyperparameters(units=16, batch_size=8)), "seat-0")]
    assert place({7: NARROW}, standing, SEATS[:2]) == {7: "seat-1"}


def test_a_busy_seat_gets_nothing_while_another_is_idle() -> None:
    assert place({7: WIDE}, [(WIDE, "seat-0")] * 4, SEATS[:2]) == {7: "seat-1"}


def test_widths_that_are_padded_alike_share_a_pack_key() -> None:
    keys = {LaneLoad.of(Hyperparameters(units=units)).pack_key for units in (49, 60, 64)}
    assert len(keys) == 1
    assert LaneLoad.of(Hyperparameters(units=65)).pack_key not in keys


@given(drawn=st.lists(hypers, min_size=1, max_size=40), shuffled=st.randoms())
def test_every_lane_gets_a_seat_whatever_the_order_it_is_named_in(
    drawn: list[Hyperparameters], shuffled: object
) -> None:
    loads = {lane: LaneLoad.of(hyper) for lane, hyper in enumerate(drawn)}
    items = list(loads.items())
    shuffled.shuffle(items)  # type: ignore[attr-defined]
    chosen = place(loads, [], SEATS)
    assert chosen == place(dict(items), [], SEATS)
    assert set(chosen) == set(loads)


@given(drawn=st.lists(hypers, min_size=1, max_size=40))
def test_no_seat_does_much_more_than_its_share(drawn: list[Hyperparameters]) -> None:
    loads = {lane: LaneLoad.of(hyper) for lane, hyper in enumerate(drawn)}
    work = work_by_seat(loads, place(loads, [], SEATS))
    launches = 2e6 / 16 * len({load.pack_key for load in loads.values()})
    heaviest = max(load.work for load in loads.values())
    assert max(work) <= sum(work) / len(SEATS) + heaviest + launches


@pytest.mark.parametrize("n_seats", [1, 2, 3])
def test_a_seat_that_is_gone_counts_for_nothing(n_seats: int) -> None:
    chosen = place({1: WIDE, 2: WIDE}, [(WIDE, "gone")], SEATS[:n_seats])
    assert set(chosen.values()) <= set(SEATS[:n_seats])
