"""What is kept of the output of an attempt, and what is seen in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.devices.output import Output

if TYPE_CHECKING:
    from pathlib import Path


def find_fault(line: str) -> str:
    return f"fault {line}" if "RAS::" in line else ""


def test_small_output_is_kept_whole(tmp_path: Path) -> None:
    with Output(tmp_path / "log", find_fault) as output:
        output.write(b"one\ntw")
        output.write(b"o\n\n")
        assert output.last == "two"
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n\n"
    assert output.fault == ""


def test_of_a_flood_the_beginning_and_the_end_are_kept(tmp_path: Path) -> None:
    with Output(tmp_path / "log", find_fault) as output:
        output.write(b"first\n")
        for _ in range(300):
            output.write(b"x" * 65_535 + b"\n")
        output.write(b"last\n")
    kept = (tmp_path / "log").read_bytes()
    assert kept.startswith(b"first\n")
    assert kept.endswith(b"x\nlast\n")
    assert b" bytes left out ...]\n" in kept
    assert len(kept) < 3.2e6


def test_the_first_fault_is_the_one_that_is_told(tmp_path: Path) -> None:
    with Output(tmp_path / "log", find_fault) as output:
        output.write(b"good\nRAS")
        output.write(b"::One\nRAS::Two\n")
    assert output.fault == "fault RAS::One"


def test_a_fault_in_a_last_line_without_an_end_is_seen(tmp_path: Path) -> None:
    with Output(tmp_path / "log", find_fault) as output:
        output.write(b"RAS::Cut")
    assert output.fault == "fault RAS::Cut"
    assert output.last == "RAS::Cut"


def test_a_line_without_an_end_is_looked_at_in_pieces(tmp_path: Path) -> None:
    with Output(tmp_path / "log", find_fault) as output:
        output.write(b"RAS::" + b"x" * 70_000)
        assert output.fault.startswith("fault RAS::")
