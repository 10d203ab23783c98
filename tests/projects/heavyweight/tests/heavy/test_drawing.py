from pathlib import Path

import numpy as np
import pytest

import heavyweight

pytestmark = pytest.mark.heavy


def test_a_signal_and_its_filter_can_be_drawn(tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    signal = np.random.default_rng(5).normal(size=300)
    figure, axes = pyplot.subplots()
    axes.plot(signal, label="signal")
    axes.plot(heavyweight.hampel(signal), label="hampel")
    axes.legend()
    figure.savefig(tmp_path / "signal.png")
    pyplot.close(figure)
    image = pyplot.imread(tmp_path / "signal.png")
    assert image.shape[2] == 4
    assert len(np.unique(image.reshape(-1, 4), axis=0)) > 10
