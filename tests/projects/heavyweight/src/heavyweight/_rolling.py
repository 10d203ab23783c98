"""Statistics of every full window of a signal.

A signal of `n` samples has `n - window + 1` full windows; result `i` belongs to the samples `i` to
`i + window - 1`. A window longer than the signal, or shorter than one sample, raises `ValueError`.
"""

import numpy as np
import numpy.typing as npt

_WINDOW_ERROR = "window must be between 1 and the number of samples ({samples}), got {window}"

Signal = npt.NDArray[np.float64]


def windows(signal: npt.ArrayLike, window: int) -> Signal:
    """Return a read-only view of shape `(n - window + 1, window)`; no sample is copied."""
    samples = np.asarray(signal, dtype=np.float64).ravel()
    if not 1 <= window <= samples.size:
        raise ValueError(_WINDOW_ERROR.format(samples=samples.size, window=window))
    return np.lib.stride_tricks.sliding_window_view(samples, window)


def rolling_mean(signal: npt.ArrayLike, window: int) -> Signal:
    """Return the mean of every full window."""
    view = windows(signal, window)
    return np.asarray(view.mean(axis=1), dtype=np.float64)


def rolling_median(signal: npt.ArrayLike, window: int) -> Signal:
    """Return the median of every full window."""
    return np.asarray(np.median(windows(signal, window), axis=1), dtype=np.float64)


def rolling_mad(signal: npt.ArrayLike, window: int) -> Signal:
    """Return the median absolute deviation (unscaled) of every full window."""
    view = windows(signal, window)
    centre = np.median(view, axis=1, keepdims=True)
    return np.asarray(np.median(np.abs(view - centre), axis=1), dtype=np.float64)
