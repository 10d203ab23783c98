import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from heavyweight import cli, read_table

MEASURED = "when,latency_ms\nmonday,1.9\ntuesday,\nwednesday,2.1\n"


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    path = tmp_path / "measured.csv"
    path.write_text(MEASURED, encoding="utf-8")
    return path


def test_only_columns_of_numbers_are_read(measured: Path) -> None:
    assert list(read_table(measured)) == ["latency_ms"]


def test_every_column_gets_a_line(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([str(measured)]) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["column", "count", "missing", "median"]
    assert line.split()[:4] == ["latency_ms", "2", "1", "2"]


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([str(tmp_path / "gone.csv")]) == 2
    assert "gone.csv" in capsys.readouterr().err


def test_a_file_without_numbers_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = tmp_path / "words.csv"
    words.write_text("a,b\nx,y\n", encoding="utf-8")
    assert cli.main([str(words)]) == 1
    assert "no column of numbers" in capsys.readouterr().err


def test_the_console_script_stands_beside_this_python(measured: Path) -> None:
    script = Path(sys.executable).with_name("heavyweight")
    done = subprocess.run([script, measured], check=True, capture_output=True, text=True)
    assert "latency_ms" in done.stdout


def test_the_version_is_known() -> None:
    assert metadata.version("heavyweight") == "0.1.0"
