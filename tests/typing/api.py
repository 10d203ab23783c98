"""Never run: mypy checks that the public API types as its users need it."""

from __future__ import annotations

import nox

import noxden

noxden.lint()
noxden.lint(name="lint-docs", groups=["lint"], python="3.12")
noxden.unit()
noxden.unit(python=["3.11", "3.13"])
noxden.unit("unit-heavy", groups=["test", "heavy"], markers="heavy", workers=4, coverage=True)
noxden.heavy()
noxden.heavy("heavy-torch", groups=["test", "torch"], events=["label", "trusted"])
noxden.device()
noxden.device("device-torch", tests=["tests/device"], provider="spyre", cards=8, timeout=900)
noxden.wheelhouse()
noxden.publish()
noxden.packaging()
noxden.register()


@noxden.session
def bare(session: nox.Session) -> None:
    session.run("python", "-V")


@noxden.session(groups=["docs"], python=["3.12", "3.13"], tags=["docs"], default=False)
def docs(session: nox.Session) -> None:
    session.run("sphinx-build", "docs", "site")


@noxden.session(only_groups=["lint"], layered=False)
@nox.parametrize("tool", ["ruff", "mypy"])
def each(session: nox.Session, tool: str) -> None:
    session.run(tool, "--version")
