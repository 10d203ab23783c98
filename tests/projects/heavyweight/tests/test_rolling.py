import numpy as np
import pytest

import heavyweight
from heavyweight import _rolling

RAMP = np.arange(6.0)


@pytest.mark.parametrize("statistic", [heavyweight.rolling_mean, heavyweight.rolling_median])
def test_the_middle_of_a_ramp_is_a_ramp(statistic) -> None:
    assert statistic(RAMP, 3).tolist() == [1.0, 2.0, 3.0, 4.0]


def test_windows_of_one_sample_do_not_deviate() -> None:
    assert heavyweight.rolling_mad(RAMP, 1).tolist() == [0.0] * 6


def test_rolling_deviation_of_a_ramp_is_the_same_everywhere() -> None:
    assert heavyweight.rolling_mad(RAMP, 5).tolist() == [1.0, 1.0]


def test_windows_share_the_memory_of_the_signal() -> None:
    assert np.shares_memory(_rolling.windows(RAMP, 2), RAMP)


@pytest.mark.parametrize("window", [0, 7])
def test_a_window_that_does_not_fit_is_refused(window: int) -> None:
    with pytest.raises(ValueError, match=rf"number of samples \(6\), got {window}"):
        heavyweight.rolling_mean(RAMP, window)
