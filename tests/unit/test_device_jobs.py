"""Jobs are data: what an engine needs to know of a deal."""

from __future__ import annotations

from pathlib import Path

from noxden.config import DeviceConfig
from noxden.devices.dealer import Deal
from noxden.devices.jobs import JobMaker, make_limits, plan_variables
from noxden.devices.values import Card, Job, Limits

CARD = Card(index=1, address="sim:1", kind="simulated", host="here")


def test_a_job_holds_all_of_a_deal() -> None:
    maker = JobMaker(
        python="/env/bin/python",
        arguments=("-q",),
        env={"A": "1"},
        cwd=Path("/project"),
        folder=Path("/out/attempts"),
        limits=Limits(),
        paths={"numpy/test_a.py": "/env/lib/numpy/test_a.py"},
    )
    tests = ("numpy/test_a.py::one", "numpy/test_a.py::two", "tests/test_b.py::three")
    deal = Deal((0, 0.0, 7), 7, tests, 1.0, 1, frozenset(), attempt=2)
    assert maker.make(deal, (CARD,), "simulated") == Job(
        batch=7,
        attempt=2,
        tests=tests,
        files=("/env/lib/numpy/test_a.py", "tests/test_b.py"),
        cards=(CARD,),
        python="/env/bin/python",
        arguments=("-q",),
        env={"A": "1"},
        cwd="/project",
        folder="/out/attempts/00007-2",
        limits=Limits(),
        provider="simulated",
    )


def test_limits_are_those_of_the_configuration() -> None:
    config = DeviceConfig(stall=1, timeout=2, lease=3)
    assert make_limits(config) == Limits(stall=1, test=2, lease=3)


def test_variables_are_set_and_unset() -> None:
    config = DeviceConfig(env=("SET=1=2", "GONE=", "NEVER="))
    env = {"KEPT": "a", "GONE": "b", "UNSET": None}
    assert plan_variables(env, config) == {"KEPT": "a", "SET": "1=2"}
