"""Which worker of a Dask cluster has which card."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, TypedDict, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from noxden.devices.engines._dask_worker import Seen
    from noxden.devices.engines._distributed import Client
    from noxden.devices.values import Card

__all__ = ["Roster", "compute_cards"]

_ANSWER_S = 20.0


class _Worker(TypedDict):
    resources: dict[str, float]


class Roster:
    """The workers of a scheduler that have a card, each with its card.

    A worker stands for one card: it has the resource ``card``, and keeps the card that it got as
    long as it lives. It is told apart by its address, which a new worker does not have again
    before the old one is gone.
    """

    def __init__(self, client: Client, find: Callable[[], Seen]) -> None:
        self.cards: dict[str, Card] = {}
        """Card of each worker, by its address."""
        self.provider = ""
        """Module of the cards; it is that of the first worker that has some."""
        self._client = client
        self._find = find
        self._seen: dict[str, Seen | str] = {}
        """What each worker with the resource saw, or why it cannot look."""
        self._without = 0

    def refresh(self) -> None:
        """Ask the scheduler for its workers, and the new ones for their cards.

        Raises:
            OSError: the scheduler does not answer now.
        """
        workers = self._ask_scheduler()
        present = {
            address for address, worker in workers.items() if worker["resources"].get("card")
        }
        self._without = len(workers) - len(present)
        self._seen = {address: seen for address, seen in self._seen.items() if address in present}
        self._seen |= self._ask_workers(sorted(present - self._seen.keys()))
        usable = {
            address: seen for address, seen in self._seen.items() if not isinstance(seen, str)
        }
        if not self.provider:
            self.provider = next((seen.provider for seen in usable.values() if seen.cards), "")
        kept = {address: card for address, card in self.cards.items() if address in present}
        self.cards = compute_cards(
            {
                address: seen.cards if seen.provider == self.provider else ()
                for address, seen in usable.items()
            },
            kept,
        )

    def explain(self) -> tuple[str, ...]:
        """Why workers are not used, one line each; and how many there are that never could."""
        lines = [
            f"{address}: {_explain(seen, self.provider)}"
            for address, seen in sorted(self._seen.items())
            if address not in self.cards
        ]
        if self._without:
            lines.append(f"workers without the resource card: {self._without}")
        return tuple(lines) or ("the scheduler has no worker",) * (not self.cards)

    def _ask_scheduler(self) -> Mapping[str, _Worker]:
        if self._client.status != "running":
            raise ConnectionError(self._client.status)
        ask = functools.partial(self._client.scheduler.identity, n_workers=-1)
        said = self._client.sync(ask, callback_timeout=_ANSWER_S)
        return cast("Mapping[str, _Worker]", said["workers"])

    def _ask_workers(self, addresses: list[str]) -> dict[str, Seen | str]:
        """What new workers see; one that went while it was asked is asked again, should it come."""
        if not addresses:
            return {}
        answers = self._client.run(self._find, workers=addresses, on_error="return")
        return {
            address: cast("Seen", seen)
            if not isinstance(seen, Exception)
            else f"{type(seen).__name__}: {seen}"
            for address, seen in answers.items()
            if not isinstance(seen, OSError)
        }


def _explain(seen: Seen | str, provider: str) -> str:
    if isinstance(seen, str):
        return seen
    if not seen.cards:
        return "; ".join(("no cards", *seen.looked))
    if seen.provider != provider:
        return f"its cards are of {seen.provider}, those of the run of {provider}"
    return "each card that it sees has a worker already"


def compute_cards(seen: Mapping[str, Iterable[Card]], kept: Mapping[str, Card]) -> dict[str, Card]:
    """A card for each worker, no card twice; ``kept`` stay as they are.

    Workers that see fewer cards choose first: a job of a cluster that sees its own card only has
    no other choice, a worker that sees all cards of its host has. Among equals the order is that
    of their addresses, and each takes the first card that is left.
    """
    found = dict(kept)
    taken = {card.name for card in kept.values()}
    choices = {address: tuple(cards) for address, cards in seen.items() if address not in kept}
    for address in sorted(choices, key=lambda address: (len(choices[address]), address)):
        for card in choices[address]:
            if card.name not in taken:
                found[address] = card
                taken.add(card.name)
                break
    return found
