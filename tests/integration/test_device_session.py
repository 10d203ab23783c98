"""``nox -s device`` by the real nox, uv and pytest, on simulated cards."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

import msgspec
import pytest
from junitparser import JUnitXml

from noxden.devices.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from noxden.devices.values import Verdict
    from tests.conftest import MakeProject, RunNox
    from tests.sandbox import Ran, Sample

NOXFILE = "import noxden\n\nnoxden.device()\n"
GROUP = ("pytest", "pytest-reportlog", "pytest-xdist")
DEVICE = """
[tool.noxden.device]
provider = "simulated"
cards = 2
tests = ["tests"]

[[tool.noxden.device.stage]]
number = 0
cards = 2

[[tool.noxden.device.stage]]
number = 1
cards = 3
coverage = 0.25

[[tool.noxden.device.stage]]
number = 4
cards = 2
blocking = false
"""
MANY = """
import pytest


@pytest.mark.parametrize("number", range({count}))
def test_{name}(number):
    pass
"""
ONE_FAILS = "def test_passes(): pass\ndef test_fails(): assert 1 == 2, 'one is not two'\n"


class Make(Protocol):
    """The factory that the fixture ``make`` is."""

    def __call__(
        self, tests: Mapping[str, str], *, more: str = "", group: Sequence[str] = ...
    ) -> Sample:
        """A project with files of tests."""


@pytest.fixture
def make(project: MakeProject) -> Make:
    """Makes projects with a device session; what they run on is in their pyproject.toml."""

    def call(tests: Mapping[str, str], *, more: str = "", group: Sequence[str] = GROUP) -> Sample:
        sample = project(groups={"test": group}, more=DEVICE + more, noxfile=NOXFILE)
        for name, text in tests.items():
            sample.write(f"tests/{name}", text)
        return sample

    return call


def read(sample: Sample) -> Outcome:
    """What the last run left in results.json."""
    text = (sample.path / ".noxden/device/results.json").read_bytes()
    return msgspec.json.decode(text, type=Outcome)


def verdicts(sample: Sample) -> dict[str, Verdict]:
    return {record.id.removeprefix("tests/"): record.verdict for record in read(sample).records}


def error_of(ran: Ran, sample: Sample) -> tuple[int, str]:
    """Exit code and message of summary.json; the message stands in the output too."""
    summary = json.loads((sample.path / ".noxden/device/summary.json").read_text())
    assert ran.code == 1, ran.text
    assert f"{summary['message']} (exit code {summary['exit_code']})" in ran.stderr
    return summary["exit_code"], summary["message"]


def test_a_stage_runs_all_its_tests_and_leaves_whole_files(make: Make, nox: RunNox) -> None:
    sample = make(
        {
            "test_one.py": MANY.format(count=6, name="one"),
            "test_two.py": ONE_FAILS.replace("1 == 2", "1 == 1")
            + "import pytest\n@pytest.mark.skip(reason='not today')\ndef test_skipped(): pass\n",
        }
    )
    ran = nox(sample, "-s", "device")
    assert ran.code == 0, ran.text
    assert "stage 0: 9 collected, 9 in scope, 9 selected, 2 batches, expected " in ran.stderr
    assert "stage 0: 8 passed, 1 skipped in " in ran.stderr
    assert verdicts(sample) == {
        **{f"test_one.py::test_one[{at}]": "passed" for at in range(6)},
        "test_two.py::test_fails": "passed",
        "test_two.py::test_passes": "passed",
        "test_two.py::test_skipped": "skipped",
    }
    outcome = read(sample)
    assert [(card.batches, card.faults, card.drained) for card in outcome.cards] == [(1, 0, "")] * 2
    folder = sample.path / ".noxden/device"
    suites = JUnitXml.fromfile(str(folder / "junit.xml"))
    assert (suites.tests, suites.failures, suites.errors, suites.skipped) == (9, 0, 0, 1)
    assert sum(len(suite) for suite in suites) == 9
    assert json.loads((folder / "hud/inputs.json").read_text())["test-results"] == (
        '{"passed":8,"failed":0,"skipped":1,"total":9}'
    )
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["status"], summary["exit_code"]) == ("passed", 0)
    assert [step["name"] for step in summary["steps"]] == ["plan", "tests"]
    assert "## Device tests, stage 0: passed" in (folder / "summary.md").read_text()
    # An attempt in which nothing went wrong leaves nothing.
    assert not list((folder / "attempts").iterdir())


def test_failed_tests_fail_the_session_and_are_told_in_full(make: Make, nox: RunNox) -> None:
    sample = make({"test_it.py": ONE_FAILS})
    ran = nox(sample, "-s", "device")
    assert ran.code == 1
    assert "stage 0: 1 of 2 tests failed (tests/test_it.py::test_fails), see junit.xml" in ran.text
    failed = next(one for one in read(sample).records if one.verdict == "failed")
    said = "AssertionError: one is not two"
    assert [(one.attempt, one.status, one.message.partition("\n")[0]) for one in failed.attempts] == [
        (1, "done", said), (2, "done", said),
    ]  # fmt: skip
    assert failed.attempts[0].card != failed.attempts[1].card
    inputs = json.loads((sample.path / ".noxden/device/hud/inputs.json").read_text())
    detail = json.loads(inputs["failed-tests-detail"])
    assert [one["name"] for one in detail] == ["test_fails"]
    names = sorted(path.name for path in sample.path.glob(".noxden/device/attempts/*/*"))
    assert {"output.log", "reportlog.jsonl", "starts.jsonl"} <= set(names)


def test_a_stage_runs_its_share_of_each_file_and_the_same_again(make: Make, nox: RunNox) -> None:
    sample = make(
        {
            "test_big.py": MANY.format(count=40, name="big"),
            "test_small.py": MANY.format(count=4, name="small"),
            "test_tiny.py": "def test_tiny(): pass\n",
        }
    )
    ran = nox(sample, "-s", "device", "--", "--stage", "1")
    assert ran.code == 0, ran.text
    assert "stage 1: 45 collected, 45 in scope, 12 selected" in ran.stderr
    assert "stage 1 is meant for 3 cards, and there are 2: it takes longer" in ran.stderr
    first = verdicts(sample)
    assert len([name for name in first if name.startswith("test_big.py")]) == 10
    assert nox(sample, "-s", "device", "--", "--stage", "1").code == 0
    assert verdicts(sample) == first


def test_a_dry_run_shows_the_batches_and_runs_nothing(
    make: Make, nox: RunNox, quick_den: Path
) -> None:
    sample = make({"test_it.py": MANY.format(count=4, name="it").replace("pass", "raise")})
    ran = nox(sample, "-s", "device", "--", "--stage", "1", "--dry-run", den=quick_den)
    assert ran.code == 0, ran.text
    lines = ran.lines
    assert lines[0] == "stage 1 on 2 cards: 4 tests collected, 4 in scope, 1 sampled (25.00%)"
    assert lines[1].startswith("1 batches, expected ")
    assert lines[2] == "batches:"
    assert lines[3].startswith("  0: 1 tests, ")
    assert lines[4:] == ["share per file:", "  tests/test_it.py: 1 of 4 (25%)"]
    assert not (sample.path / ".noxden/device/results.json").exists()


def test_shards_run_every_test_once(make: Make, nox: RunNox) -> None:
    sample = make({"test_it.py": MANY.format(count=20, name="it")})
    found = []
    for shard in ("1/2", "2/2"):
        ran = nox(sample, "-s", "device", "--", "--shard", shard)
        assert ran.code == 0, ran.text
        assert f"stage 0, shard {shard}: " in ran.stderr
        found.append(set(verdicts(sample)))
    assert len(found[0] | found[1]) == 20
    assert not found[0] & found[1]
    assert all(found)


def test_cards_limits_how_many_are_used(make: Make, nox: RunNox) -> None:
    sample = make({"test_it.py": MANY.format(count=4, name="it")})
    ran = nox(sample, "-s", "device", "--", "--cards", "1")
    assert ran.code == 0, ran.text
    assert "stage 0 is meant for 2 cards, and there are 1: it takes longer" in ran.stderr
    assert [card.name.partition("/")[2] for card in read(sample).cards] == ["sim:0"]


def test_with_strict_cards_fewer_cards_are_an_error(make: Make, nox: RunNox) -> None:
    sample = make({"test_it.py": MANY.format(count=4, name="it")})
    ran = nox(sample, "-s", "device", "--", "--cards", "1", "--strict-cards")
    assert error_of(ran, sample) == (
        3,
        "stage 0 is meant for 2 cards, and there are 1; add cards, or leave out --strict-cards",
    )


def test_a_stage_that_does_not_block_records_failures_and_succeeds(make: Make, nox: RunNox) -> None:
    sample = make({"test_it.py": ONE_FAILS})
    ran = nox(sample, "-s", "device", "--", "--stage", "4")
    assert ran.code == 0, ran.text
    assert (
        "stage 4: 1 of 2 tests failed (tests/test_it.py::test_fails), see junit.xml; the stage "
        "does not block, so this is a warning" in ran.text
    )
    assert verdicts(sample) == {
        "test_it.py::test_fails": "failed",
        "test_it.py::test_passes": "passed",
    }
    assert JUnitXml.fromfile(str(sample.path / ".noxden/device/junit.xml")).failures == 1


@pytest.mark.parametrize("stage", ["0", "4"])
def test_a_stage_without_tests_is_never_a_success(stage: str, make: Make, nox: RunNox) -> None:
    sample = make({"test_it.py": "def helper(): pass\n"})
    ran = nox(sample, "-s", "device", "--", "--stage", stage)
    assert ran.code == 1
    assert (
        f"stage {stage}: pytest collected no tests; check tests and markers in "
        f"[tool.noxden.device]" in ran.text
    )


def test_tests_that_are_all_out_of_scope_are_never_a_success(make: Make, nox: RunNox) -> None:
    sample = make({"test_it.py": "def test_it_cuda(): pass\n"})
    ran = nox(sample, "-s", "device")
    assert ran.code == 1
    assert "stage 0: none of 1 collected tests is in scope; " in ran.text


def test_without_cards_it_says_what_was_looked_at(make: Make, nox: RunNox) -> None:
    sample = make({"test_it.py": ONE_FAILS})
    code, message = error_of(nox(sample, "-s", "device", "--", "--provider", "spyre"), sample)
    assert code == 3
    assert "1014:06a7" in message
    assert "PCIDEVICE_IBM_COM_AIU_PF" in message


def test_a_missing_reportlog_is_named_with_the_command_that_adds_it(
    make: Make, nox: RunNox
) -> None:
    sample = make({"test_it.py": ONE_FAILS}, group=["pytest"])
    assert error_of(nox(sample, "-s", "device"), sample) == (
        2,
        "pytest-reportlog, which keeps their results through a crash, is not in the groups of "
        "the device session (test); run: uv add --group test pytest-reportlog",
    )


def test_a_file_that_cannot_be_collected_fails_and_the_rest_runs(make: Make, nox: RunNox) -> None:
    sample = make(
        {"test_bad.py": "import no_such_module\n", "test_good.py": "def test_a(): pass\n"}
    )
    ran = nox(sample, "-s", "device")
    assert ran.code == 1
    assert "stage 0: pytest could not collect 1 files (tests/test_bad.py)" in ran.text
    assert verdicts(sample) == {"test_good.py::test_a": "passed"}
    broken = read(sample).broken
    assert [one.file for one in broken] == ["tests/test_bad.py"]
    assert "No module named 'no_such_module'" in broken[0].message


def test_of_two_tests_with_one_id_the_worst_counts(make: Make, nox: RunNox) -> None:
    sample = make(
        {
            "conftest.py": """
            import pytest

            def pytest_collection_modifyitems(items):
                twin = pytest.Function.from_parent(
                    items[0].parent, name=items[0].name, callobj=lambda: 1 / 0
                )
                items.append(twin)
            """,
            "test_it.py": "def test_a(): pass\ndef test_b(): pass\n",
        }
    )
    ran = nox(sample, "-s", "device")
    assert ran.code == 1
    assert (
        "1 ids are those of several tests, which run together and of which the worst counts: "
        "tests/test_it.py::test_a" in ran.stderr
    )
    assert verdicts(sample) == {"test_it.py::test_a": "failed", "test_it.py::test_b": "passed"}


SEES = """
import os

import pytest


@pytest.mark.device(cards=2)
def test_two():
    assert os.environ["SIMULATED_DEVICES"] == "0,1"


def test_one():
    assert os.environ["SIMULATED_DEVICES"] in {"0", "1"}
"""


def test_a_test_gets_as_many_cards_as_it_asks_for(make: Make, nox: RunNox) -> None:
    sample = make({"test_it.py": SEES})
    ran = nox(sample, "-s", "device")
    assert ran.code == 0, ran.text
    cards = {one.id.partition("::")[2]: one.attempts[0].card for one in read(sample).records}
    assert cards["test_two"].count("sim:") == 2
    assert cards["test_one"].count("sim:") == 1


def test_a_test_that_needs_more_cards_than_there_are_has_no_result(make: Make, nox: RunNox) -> None:
    sample = make({"test_it.py": SEES})
    code, message = error_of(nox(sample, "-s", "device", "--", "--cards", "1"), sample)
    assert code == 3
    assert message.startswith("stage 0: 1 of 2 tests have no result; they never began: ")
    assert verdicts(sample) == {"test_it.py::test_one": "passed", "test_it.py::test_two": "not-run"}


def test_xdist_in_addopts_puts_no_second_process_on_a_card(make: Make, nox: RunNox) -> None:
    text = "import os\ndef test_alone(): assert 'PYTEST_XDIST_WORKER' not in os.environ\n"
    sample = make({"test_it.py": text}, more='\n[tool.pytest.ini_options]\naddopts = "-n 2"\n')
    ran = nox(sample, "-s", "device")
    assert ran.code == 0, ran.text


def test_what_follows_the_second_dashes_goes_to_pytest(make: Make, nox: RunNox) -> None:
    sample = make({"test_it.py": ONE_FAILS})
    ran = nox(sample, "-s", "device", "--", "--stage", "0", "--", "-k", "passes", "--tb=short")
    assert ran.code == 0, ran.text
    assert verdicts(sample) == {"test_it.py::test_passes": "passed"}


def test_an_option_of_pytest_is_not_taken_for_one_of_ours_with_a_slip(
    make: Make, nox: RunNox
) -> None:
    sample = make({"test_it.py": "def test_passes(): pass\n"})
    # Nearly --strict-cards, and behind the second dashes nearly --stage.
    words = ["--strict-markers", "--", "-p", "slip", "--stagee=1"]
    sample.write("slip.py", "def pytest_addoption(parser):\n    parser.addoption('--stagee')\n")
    env = {**sample.env, "PYTHONPATH": str(sample.path)}
    ran = nox(sample, "-s", "device", "--", *words, env=env)
    assert ran.code == 0, ran.text
    assert verdicts(sample) == {"test_it.py::test_passes": "passed"}


def test_a_pytest_that_fails_after_tests_that_all_passed_is_told(make: Make, nox: RunNox) -> None:
    sample = make({"test_it.py": "def test_passes(): pass\n"})
    sample.write(
        "tests/conftest.py",
        """
        import os

        def pytest_unconfigure(config):
            if "NOXDEN_ATTEMPT_TESTS" in os.environ:
                print("no good end", flush=True)
                os._exit(1)
        """,
    )
    ran = nox(sample, "-s", "device")
    assert ran.code == 0, ran.text
    said = "batch 0: no test failed, yet pytest ended with code 1: no good end; see output.log in "
    assert said in ran.stderr
    assert read(sample).warnings[0].startswith(said)
    assert verdicts(sample) == {"test_it.py::test_passes": "passed"}


def test_a_run_for_strangers_code_is_refused(make: Make, nox: RunNox, env: dict[str, str]) -> None:
    sample = make({"test_it.py": ONE_FAILS})
    ran = nox(sample, "-s", "device", env={**env, "NOXDEN_TRUST": "untrusted"})
    assert error_of(ran, sample) == (
        4,
        "a run for an untrusted trigger may not use cards; do that in a run for a push or a "
        "schedule on a branch of your own",
    )
    ran = nox(sample, "-s", "device", env={**env, "CI": "true"})
    code, message = error_of(ran, sample)
    assert code == 4
    assert message.startswith("nothing says whose code this run executes, so it may not use cards")


def test_an_unknown_stage_is_named_with_those_that_are_known(make: Make, nox: RunNox) -> None:
    sample = make({"test_it.py": ONE_FAILS})
    assert error_of(nox(sample, "-s", "device", "--", "--stage", "7"), sample) == (
        2,
        "there is no stage 7 in tool.noxden.device.stage; known: 0, 1, 4",
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cards", "-1"], "--cards takes a number from 1 on, got -1"),
        (
            ["--scheduler", "tcp://127.0.0.1:1"],
            "the engine local has no scheduler tcp://127.0.0.1:1; add --engine dask",
        ),
        (
            ["--stagee=1"],
            "there is no option --stagee; did you mean --stage? What is for pytest goes after a "
            "second --",
        ),
    ],
)
def test_an_option_without_an_effect_is_refused(
    words: list[str], message: str, make: Make, nox: RunNox
) -> None:
    sample = make({"test_it.py": ONE_FAILS})
    assert error_of(nox(sample, "-s", "device", "--", *words), sample) == (2, message)


def test_a_session_without_an_environment_of_its_own_is_refused(make: Make, nox: RunNox) -> None:
    sample = make({"test_it.py": ONE_FAILS})
    assert error_of(nox(sample, "-s", "device", "--no-venv"), sample) == (
        2,
        "device needs an environment of its own; run nox without --no-venv",
    )


def test_a_test_that_passes_the_second_time_is_flaky_and_no_failure(
    make: Make, nox: RunNox
) -> None:
    text = """
    from pathlib import Path

    COUNT = Path(__file__).with_name("count.log")

    def test_moody():
        first = not COUNT.exists()
        COUNT.touch()
        assert not first, "the first time"
    """
    sample = make({"test_it.py": text})
    ran = nox(sample, "-s", "device")
    assert ran.code == 0, ran.text
    assert "stage 0: 1 flaky in " in ran.stderr
    record = read(sample).records[0]
    assert [(one.outcome, one.attempt) for one in record.attempts] == [("failed", 1), ("passed", 2)]
    assert record.attempts[0].card != record.attempts[1].card
    assert '"result.retried"' in (sample.path / ".noxden/device/junit.xml").read_text()
