import numpy as np
import pytest

import heavyweight

pytestmark = pytest.mark.heavy

SIGNAL = np.random.default_rng(1).standard_t(df=2, size=501)


def test_the_deviation_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    assert heavyweight.mad(SIGNAL) == pytest.approx(
        stats.median_abs_deviation(SIGNAL, scale="normal")
    )


def test_the_rolling_median_is_scipys_median_filter_inside() -> None:
    filters = pytest.importorskip("scipy.signal")
    ours = heavyweight.rolling_median(SIGNAL, 5)
    np.testing.assert_allclose(ours, filters.medfilt(SIGNAL, 5)[2:-2])
