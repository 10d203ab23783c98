"""Fill the store with what one selection needs, from wherever it may come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden._switches import is_on
from noxden.den.wheels.builder import mend_built, supply_built
from noxden.den.wheels.bundle import open_bundle
from noxden.den.wheels.check import check_artifacts, quarantine
from noxden.den.wheels.checkout import supply_checkout
from noxden.den.wheels.closures import write_closure
from noxden.den.wheels.fetch import fetch
from noxden.den.wheels.needs import note_need
from noxden.den.wheels.store import using_store
from noxden.errors import InfrastructureError, SafetyError

if TYPE_CHECKING:
    from noxden.den.resolve import Resolution, Workplace
    from noxden.den.supply import Supply
    from noxden.den.wheels.fetch import Fetched
    from noxden.den.wheels.sources import Source

__all__ = ["collect_sources", "fill_store", "mend_store", "refuse_missing"]


def collect_sources(place: Workplace, *, index: bool) -> list[Source]:
    """Where artifacts may come from, nearest first."""
    sources: list[Source] = []
    if (bundle := open_bundle(place)) is not None:
        sources.append(bundle)
    if place.remote:
        from noxden.den.wheels.remote import open_remote

        sources.append(open_remote(place.remote, place.env))
    if index and not is_on(place.env, "NOXDEN_OFFLINE"):
        from noxden.den.wheels.index import IndexSource

        sources.append(IndexSource(place))
    return sources


def fill_store(place: Workplace, resolution: Resolution, supply: Supply) -> Fetched:
    """Bring what the store lacks of the selection of ``resolution`` in.

    Raises:
        SafetyError: what came is not what the lock names, and nobody has what it names.
        InfrastructureError: the den cannot be written.
    """
    with using_store(place.den):
        sources = collect_sources(place, index=supply.from_index)
        fetched = fetch(place.den, resolution.artifacts, sources, show=supply.show)
        built = supply_built(place, resolution, sources, supply)
        own = supply_checkout(place, resolution, sources, supply)
        fetched = fetched._replace(warnings=(*fetched.warnings, *built, *own))
        if not fetched.missing and resolution.selection is not None:
            write_closure(place.den, resolution.selection)
            if supply.need:
                note_need(place.den, place.project.root, supply.need, resolution.closure_id)
    return fetched


def refuse_missing(place: Workplace, fetched: Fetched) -> None:
    """Say which artifacts no source has.

    Raises:
        InfrastructureError: there are some.
    """
    if not fetched.missing:
        return
    names = ", ".join(
        f"{one.artifact.name} {one.artifact.version or ''}".strip() for one in fetched.missing
    )
    advice = "see that one of them is there again"
    if is_on(place.env, "NOXDEN_OFFLINE"):
        advice = "run once without --offline and NOXDEN_OFFLINE, or name a remote that has them"
    reason = "; ".join(fetched.warnings) or fetched.missing[0].reason
    message = f"no source has {names} ({reason}); {advice}"
    raise InfrastructureError(message)


def mend_store(place: Workplace, resolution: Resolution, supply: Supply) -> list[str]:
    """Take what is damaged of a selection out of the store, and fetch it once more.

    Returns a line for each damaged artifact; none where the store is as it should be.

    Raises:
        SafetyError: nobody has what the lock names.
    """
    with using_store(place.den):
        damages = check_artifacts(place.den, resolution.artifacts)
        lines = [
            f"{damage}; it is in {where}"
            for damage in damages
            if (where := quarantine(place.den, damage)) is not None
        ]
        if damages:
            bad = [damage.artifact for damage in damages]
            fetched = fetch(place.den, bad, collect_sources(place, index=True), show=supply.show)
            if fetched.missing:
                message = f"{damages[0]}, and no source has the right one; find out who changed it"
                raise SafetyError(message)
        sources = collect_sources(place, index=supply.from_index)
        lines += mend_built(place, resolution, sources, supply)
    return lines
