"""The share of the tests in scope that a stage runs."""

from __future__ import annotations

from noxden.devices import values
from noxden.devices.sample import FileShare, Sample, select_sample

PINNED = ["a.py::test_3", "a.py::test_9", "a.py::test_27", "a.py::test_33"]


def make_tests(file: str, count: int) -> list[values.Test]:
    return [values.Test(id=f"{file}::test_{index}", file=file) for index in range(count)]


def test_each_file_gives_its_share_rounded_up_and_the_exact_share_is_told() -> None:
    sample = select_sample([*make_tests("b.py", 60), *make_tests("a.py", 3)], 0.05)
    assert sample.files == (
        FileShare(file="b.py", in_scope=60, selected=3),
        FileShare(file="a.py", in_scope=3, selected=1),
    )
    assert sample.share == 4 / 63
    assert [test.file for test in sample.tests] == ["b.py"] * 3 + ["a.py"]


def test_a_share_is_what_its_decimals_say() -> None:
    assert len(select_sample(make_tests("a.py", 100), 0.07).tests) == 7


def test_all_is_all_in_the_order_of_the_collection() -> None:
    tests = make_tests("a.py", 30)
    assert select_sample(tests, 1.0).tests == tuple(tests)


def test_nothing_in_scope_is_an_empty_sample() -> None:
    assert select_sample([], 0.5) == Sample(tests=(), share=0.0, files=())


def test_the_sample_is_the_same_in_every_version_of_noxden() -> None:
    sample = select_sample(make_tests("a.py", 40), 0.1)
    assert [test.id for test in sample.tests] == PINNED
