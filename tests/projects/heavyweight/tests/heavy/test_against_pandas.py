from pathlib import Path

import numpy as np
import pytest

import heavyweight
from heavyweight import cli

pytestmark = pytest.mark.heavy

pandas = pytest.importorskip("pandas")


@pytest.fixture
def frame():
    random = np.random.default_rng(2)
    columns = {
        "watts": random.gamma(2.0, size=300),
        "runs": np.arange(300),
        "where": ["here"] * 300,
    }
    return pandas.DataFrame(columns)


@pytest.mark.parametrize("window", [1, 4, 30])
def test_rolling_statistics_are_those_of_pandas(frame, window: int) -> None:
    rolling = frame["watts"].rolling(window)
    np.testing.assert_allclose(
        heavyweight.rolling_mean(frame["watts"], window), rolling.mean().dropna()
    )
    np.testing.assert_allclose(
        heavyweight.rolling_median(frame["watts"], window), rolling.median().dropna()
    )


def test_parquet_written_by_pandas_is_summarised(
    frame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "power.parquet"
    frame.to_parquet(path, engine="pyarrow")
    table = heavyweight.read_table(path)
    assert list(table) == ["watts", "runs"]
    np.testing.assert_array_equal(table["watts"], frame["watts"])
    assert cli.main([str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[2].split()[:4] == ["runs", "300", "0", "149.5"]
