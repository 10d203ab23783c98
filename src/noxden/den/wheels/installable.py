"""Whether a filled store installs a selection: what came without a wheel, and was not built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.den.wheels.built import find_built
from noxden.den.wheels.recipe import collect_conditions, plan_build
from noxden.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from noxden.den.resolve import Resolution, Workplace
    from noxden.lock.selection import Artifact

__all__ = ["explain_unbuilt", "find_unbuilt", "refuse_wheelless"]


def find_unbuilt(
    place: Workplace, resolution: Resolution, missing: Iterable[Artifact] = ()
) -> tuple[Artifact, ...]:
    """The packages of ``resolution`` of which noxden is to have built a wheel, and has not.

    Offline, nothing installs these, though all that the lock names is here. Left out are those
    whose source is ``missing``, those that a setting leaves to uv (``no-build-isolation``), and
    all of them where they are for another platform: nothing of it is installed here.
    """
    known = {one.name for one in missing}
    wanted = [one for one in resolution.artifacts if one.is_built and one.name not in known]
    if not wanted or not resolution.interpreter.executable:
        return ()
    built, conditions = find_built(place, resolution), collect_conditions(place, resolution)
    return tuple(
        one for one in wanted if one.name not in built and not conditions.find_obstacle(one.name)
    )


def explain_unbuilt(
    place: Workplace, resolution: Resolution, unbuilt: Sequence[Artifact], fetch: str
) -> str:
    """Why ``unbuilt`` cannot be installed offline, and what helps: ``fetch`` is that command.

    Raises:
        RemoteError: the remote does not say whether it has wheels of them.
    """
    said = f"no wheel was built of {_join(unbuilt)}, so nothing installs them offline; "
    build = f"to build them here, run with a network: {fetch}"
    if not place.remote or place.trust == "built":
        return said + build
    from noxden.den.wheels.remote import open_remote

    remote, conditions = open_remote(place.remote, place.env), collect_conditions(place, resolution)
    there = [one for one in unbuilt if remote.has(plan_build(conditions, one).path)]
    if not there:
        return said + build
    return (
        f"{said}{remote.name} has wheels of {_join(there)} that others built, which "
        f'trust = "built" in [tool.noxden.den] takes; {build}'
    )


def refuse_wheelless(resolution: Resolution) -> None:
    """Refuse a Python that is not here and that the lock has no wheels for.

    Raises:
        InfrastructureError: nothing could install some packages with it.
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
