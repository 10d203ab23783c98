"""Laws of verdicts: the order of tries does not matter, and no test is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from hypothesis import given
from hypothesis import strategies as st

from noxden.devices.hud import clip, make_inputs
from noxden.devices.judge import judge
from noxden.devices.junit import clean_xml, make_junit
from noxden.devices.outcome import Outcome, Try, combine, make_record
from noxden.devices.publish import compute_summary
from noxden.devices.values import Status, TestOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

outcomes = st.sampled_from([*get_args(TestOutcome), ""])
tries = st.builds(
    Try,
    attempt=st.integers(1, 3),
    batch=st.integers(0, 2),
    card=st.sampled_from(["a", "b"]),
    status=st.sampled_from(get_args(Status)),
    outcome=outcomes,
    message=st.text(max_size=5),
    started=st.sampled_from([1.0, 2.0, 3.0]),
)
many = st.lists(tries, max_size=6)


@given(many, st.randoms(use_true_random=False))
def test_the_order_of_tries_does_not_change_the_verdict(told: list[Try], random: Random) -> None:
    shuffled = list(told)
    random.shuffle(shuffled)
    assert combine(shuffled) == combine(told)


@given(many)
def test_a_try_told_twice_counts_once(told: list[Try]) -> None:
    assert combine([*told, *told]) == combine(told)


@given(many, tries)
def test_one_more_try_never_loses_what_is_known(told: list[Try], more: Try) -> None:
    known = {"passed", "failed", "flaky", "skipped", "xfailed", "xpassed"}
    if combine(told) in known:
        assert combine([*told, more]) in known


@given(many)
def test_what_passes_has_passed_somewhere_and_what_fails_has_failed(told: list[Try]) -> None:
    said = {one.says for one in told}
    match combine(told):
        case "flaky":
            assert "failed" in said
            assert said & {"passed", "xpassed", "xfailed"}
        case "infra":
            assert said <= {"fault", ""}
        case "not-run":
            assert said <= {""}
        case verdict:
            assert verdict in said


@given(many)
def test_the_try_that_stands_for_a_verdict_says_it(told: list[Try]) -> None:
    record = make_record("f.py::t", "f.py", told)
    assert (record.last is None) == (not told)
    if record.last is not None and record.verdict in {"passed", "failed", "skipped"}:
        assert record.last.says == record.verdict


@given(st.lists(many, max_size=8))
def test_counts_add_up_everywhere(tests: Sequence[list[Try]]) -> None:
    records = tuple(make_record(f"f.py::t{at}", "f.py", one) for at, one in enumerate(tests))
    outcome = Outcome(stage=1, selected=len(records), records=records)
    assert sum(outcome.counts.values()) == len(records) == outcome.total + outcome.left
    assert 0 <= outcome.flaky_share <= 1
    assert make_junit(outcome).tests == len(records)
    assert (judge(outcome).exit_code == 0) == (
        outcome.total > 0 and not outcome.left and not outcome.counts["failed"]
    )
    assert compute_summary(outcome)["total"] == outcome.total
    conclusion = make_inputs(outcome)["conclusion"]
    assert (conclusion == "success") == (judge(outcome).exit_code == 0)


@given(st.text(), st.integers(0, 20))
def test_a_clipped_text_keeps_its_bytes_and_its_characters(text: str, limit: int) -> None:
    clipped = clip(text, limit)
    assert len(clipped.encode()) <= limit
    assert text.startswith(clipped)


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_what_is_clean_for_xml_can_be_written_and_stays_clean(text: str) -> None:
    assert len(clean_xml(text).encode()) >= len(text)
    assert clean_xml(clean_xml(text)) == clean_xml(text)
