"""Laws of which worker gets which card."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from noxden.devices.engines._roster import compute_cards
from noxden.devices.values import Card

cards = st.builds(
    lambda host, index: Card(index=index, address=f"card-{index}", kind="made", host=host),
    st.sampled_from(["a", "b"]),
    st.integers(0, 4),
)
seen = st.dictionaries(
    st.sampled_from([f"tcp://127.0.0.1:{port}" for port in range(8)]),
    st.lists(cards, unique=True, max_size=5).map(tuple),
)


@given(seen, seen)
def test_no_card_has_two_workers_and_each_worker_sees_its_card(
    before: dict[str, tuple[Card, ...]], later: dict[str, tuple[Card, ...]]
) -> None:
    kept = compute_cards(before, {})
    found = compute_cards(before | later, kept)
    assert len({card.name for card in found.values()}) == len(found)
    assert kept.items() <= found.items()
    for address in found.keys() - kept.keys():
        assert found[address] in later[address]


@given(seen)
def test_a_worker_without_a_card_sees_none_that_is_left(
    workers: dict[str, tuple[Card, ...]],
) -> None:
    found = compute_cards(workers, {})
    for address in workers.keys() - found.keys():
        assert set(workers[address]) <= set(found.values())


@given(st.integers(0, 5), st.integers(0, 5))
def test_workers_that_see_their_own_card_get_it_whoever_sees_all(own: int, more: int) -> None:
    made = [Card(index=n, address=f"card-{n}", kind="made") for n in range(own + more)]
    singles = {f"z{n}": (made[n],) for n in range(own)}
    found = compute_cards({**{f"a{n}": tuple(made) for n in range(more)}, **singles}, {})
    assert all(found[address] == card for address, (card,) in singles.items())
    assert len(found) == own + more


@given(st.permutations(range(4)))
def test_workers_take_the_cards_of_their_host_in_the_order_of_their_addresses(
    order: list[int],
) -> None:
    made = tuple(Card(index=n, address=f"card-{n}", kind="made") for n in range(4))
    found = compute_cards({f"tcp://h:{n}": made for n in order}, {})
    assert found == {f"tcp://h:{n}": made[n] for n in range(4)}
