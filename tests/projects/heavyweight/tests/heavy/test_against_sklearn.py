import numpy as np
import pytest

import heavyweight

pytestmark = pytest.mark.heavy


def test_an_outlier_of_ours_is_one_of_the_elliptic_envelope() -> None:
    covariance = pytest.importorskip("sklearn.covariance")
    signal = np.random.default_rng(3).normal(size=400)
    signal[:8] += 30.0
    fence = covariance.EllipticEnvelope(contamination=0.02, random_state=0)
    outside = fence.fit_predict(signal.reshape(-1, 1)) == -1
    assert heavyweight.summarise(signal, threshold=10.0).outliers == 8
    assert set(range(8)) <= set(np.flatnonzero(outside).tolist())


def test_a_hampel_filter_straightens_a_fit() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    time = np.arange(200.0)
    signal = 0.5 * time + np.random.default_rng(4).normal(scale=0.1, size=200)
    signal[150:200:7] += 500.0

    def slope(samples) -> float:
        return float(linear.LinearRegression().fit(time[:, None], samples).coef_[0])

    assert abs(slope(signal) - 0.5) > 0.1
    assert slope(heavyweight.hampel(signal)) == pytest.approx(0.5, abs=0.01)
