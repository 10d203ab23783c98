import math

import numpy as np
import pytest

import heavyweight

QUIET = [1.0, 1.1, 0.9, 1.0, 1.1, 0.9, 1.0]


def test_a_wild_sample_moves_the_mean_but_not_the_median() -> None:
    summary = heavyweight.summarise([*QUIET, 1e9])
    assert summary.median == 1.0
    assert summary.outliers == 1
    assert summary.high == 1e9


def test_missing_samples_are_counted_and_take_no_part() -> None:
    summary = heavyweight.summarise([*QUIET, math.nan, math.inf])
    assert (summary.count, summary.missing, summary.high) == (7, 2, 1.1)


def test_an_empty_signal_has_no_median() -> None:
    summary = heavyweight.summarise([])
    assert (summary.count, summary.missing, summary.outliers) == (0, 0, 0)
    assert math.isnan(summary.median)
    assert math.isnan(heavyweight.mad([]))


def test_the_deviation_of_normal_noise_estimates_its_standard_deviation() -> None:
    noise = np.random.default_rng(7).normal(scale=2.0, size=20_000)
    assert heavyweight.mad(noise) == pytest.approx(2.0, rel=0.03)


def test_hampel_removes_the_spike_and_nothing_else() -> None:
    signal = np.sin(np.linspace(0.0, 3.0, 100))
    spiked = signal.copy()
    spiked[40] += 5.0
    cleaned = heavyweight.hampel(spiked, window=5)
    changed = np.flatnonzero(cleaned != spiked)
    assert changed.tolist() == [40]
    assert cleaned[40] == pytest.approx(signal[40], abs=0.1)


def test_hampel_wants_an_odd_window() -> None:
    with pytest.raises(ValueError, match="window must be odd, got 4"):
        heavyweight.hampel(QUIET, window=4)
