"""Whether a filled store installs a selection: what came without a wheel, and was not built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.den.wheels.built import find_built
from noxden.den.wheels.recipe import collect_conditions, plan_build
from noxden.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from noxden.den.resolve import Resolution, Workplace
    from noxden.lock.selection import Artifact

__all__ = ["find_unbuilt", "refuse_unbuilt", "refuse_wheelless"]


def find_unbuilt(place: Workplace, resolution: Resolution) -> tuple[Artifact, ...]:
    """The packages of ``resolution`` of which noxden is to have built a wheel, and has not.

    What a setting leaves to uv (``no-build-isolation``) is not among them.
    """
    wanted = [one for one in resolution.artifacts if one.is_built]
    if not wanted:
        return ()
    built, conditions = find_built(place, resolution), collect_conditions(place, resolution)
    return tuple(
        one for one in wanted if one.name not in built and not conditions.find_obstacle(one.name)
    )


def refuse_unbuilt(place: Workplace, resolution: Resolution, missing: Iterable[Artifact]) -> None:
    """Say which packages cannot be installed offline, though all that the lock names is here.

    Those that are ``missing`` have been told. For another platform nothing is installed here, so
    nothing is refused.

    Raises:
        InfrastructureError: there are some; whether the remote has wheels of them, and how to
            take these.
    """
    known = {one.name for one in missing}
    unbuilt = [one for one in find_unbuilt(place, resolution) if one.name not in known]
    if not unbuilt or not resolution.interpreter.executable:
        return
    message = (
        f"no wheel was built of {_join(unbuilt)}, so nothing installs them offline; "
        f"{_advise(place, resolution, unbuilt)}"
    )
    raise InfrastructureError(message)


def _advise(place: Workplace, resolution: Resolution, unbuilt: list[Artifact]) -> str:
    fetch = "to build them here, run: nox -s wheelhouse -- fetch, without --offline"
    if not place.remote or place.trust == "built":
        return fetch
    from noxden.den.wheels.remote import open_remote

    remote, conditions = open_remote(place.remote, place.env), collect_conditions(place, resolution)
    there = [one for one in unbuilt if remote.has(plan_build(conditions, one).path)]
    if not there:
        return fetch
    return (
        f'{remote.name} has wheels that others built of {_join(there)}: say trust = "built" in '
        f"[tool.noxden.den] to take them; {fetch}"
    )


def refuse_wheelless(resolution: Resolution) -> None:
    """Refuse a Python that is not here and that the lock has no wheels for.

    Raises:
        InfrastructureError: nothing could install some packages there.
    """
    wheelless = [one for one in resolution.artifacts if one.is_built]
    interpreter = resolution.interpreter
    if wheelless and not interpreter.executable:
        message = (
            f"uv.lock has no wheel for Python {interpreter.version} of {_join(wheelless)}, and "
            f"that Python is not here to build one; install it, or name another by --python"
        )
        raise InfrastructureError(message)


def _join(artifacts: Iterable[Artifact]) -> str:
    return ", ".join(f"{one.name} {one.version or ''}".strip() for one in artifacts)
